/*
 * The uncompressed bytes of a layer, made by a second thread: read, decompress, hash, and optionally copy to a file.
 * The first thread meanwhile parses and writes files, so that on two cores the digest and the gunzip cost no time.
 */
#ifndef GANTRY_ARCHIVE_SOURCE_H
#define GANTRY_ARCHIVE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "archive_failure.h"

struct archive_source;

/* What may come out: so many bytes in any case, and `ratio` times what has been read (0: no more than `bytes`). */
struct source_limit {
    uint64_t bytes, ratio;
};
#define SOURCE_UNLIMITED ((struct source_limit){.bytes = UINT64_MAX})

/* Start reading `fd` (plain, gzip, zstd, xz or bzip2, told by its first bytes). `copy_fd` takes the uncompressed bytes, -1 for none. */
struct archive_source *source_open(int fd, int copy_fd, struct source_limit limit, struct archive_failure *failure);

/* The next bytes, at least one: their number, 0 at the end of the stream, -1 on failure. They stay until taken. */
int64_t source_peek(struct archive_source *source, const unsigned char **bytes);
void source_take(struct archive_source *source, size_t count);

/* Exactly `count` bytes. 1, or 0 when the stream ends before the first of them, or -1 (also when it ends between). */
int source_read(struct archive_source *source, void *bytes, size_t count);
int source_skip(struct archive_source *source, uint64_t count);

/* Read on to the end of the stream, then give the digest in hexadecimal and the number of uncompressed bytes. */
int source_finish(struct archive_source *source, char digest[65], uint64_t *size);

/* Stop the thread and free everything; safe at any time. */
void source_close(struct archive_source *source);

#endif
