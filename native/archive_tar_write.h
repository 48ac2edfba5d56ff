/* Writing tar: ustar where it suffices, pax extended headers where it does not (POSIX.1-2017 pax(1)). */
#ifndef GANTRY_ARCHIVE_TAR_WRITE_H
#define GANTRY_ARCHIVE_TAR_WRITE_H

#include <nettle/sha2.h>

#include "archive_tar.h"

/* Zero but for `fd`, `failure`, and after sha256_init of `hash`. */
struct tar_output {
    /* Where the bytes go; -1 for nowhere, when only their digest is wanted. */
    int fd;
    /* Nobody asks for the digest. */
    bool unhashed;
    uint64_t size;
    struct sha256_ctx hash;
    struct archive_failure *failure;
    size_t used;
    unsigned char buffer[1 << 20];
};

int output_write(struct tar_output *output, const void *bytes, size_t count);
int output_zeros(struct tar_output *output, uint64_t count);
int output_flush(struct tar_output *output);

/*
 * The header of an entry. `path` without slash at the end; `extents` of a sparse file go into its data (GNU sparse
 * 1.0), so that the data which must follow is the pieces alone, padded by the caller to a whole block.
 */
int tar_write_header(struct tar_output *output, const struct tar_entry *entry);

/* The two zero blocks behind the last entry. */
int tar_write_end(struct tar_output *output);

#endif
