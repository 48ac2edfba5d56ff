/*
 * Reading tar as the world writes it: ustar, GNU (long names, base-256 numbers, sparse), pax (long names, nanoseconds,
 * extended attributes, sparse 0.0, 0.1 and 1.0). Names are bytes: no character set is assumed or converted.
 * Sources: pax(1) of POSIX.1-2017, the GNU tar manual ("Basic Tar Format", "Sparse Formats").
 */
#ifndef GANTRY_ARCHIVE_TAR_H
#define GANTRY_ARCHIVE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "archive_failure.h"
#include "archive_source.h"

#define TAR_BLOCK 512u

enum tar_type {
    TAR_FILE,
    TAR_HARDLINK,
    TAR_SYMLINK,
    TAR_CHARACTER,
    TAR_BLOCK_DEVICE,
    TAR_DIRECTORY,
    TAR_FIFO,
};

struct tar_xattr {
    char *name;
    unsigned char *value;
    size_t length;
};

/* A run of data in a sparse file. */
struct tar_extent {
    uint64_t offset, length;
};

struct tar_entry {
    enum tar_type type;
    char *path;
    char *link;
    uint32_t mode, uid, gid, major, minor;
    struct timespec mtime;
    /* Of the file when it is whole; a sparse one has fewer bytes in the archive. */
    uint64_t size;
    /* Bytes of data in the archive that are not read yet, and the padding behind them. */
    uint64_t stored;
    uint32_t padding;
    bool sparse;
    struct tar_extent *extents;
    size_t extent_count;
    struct tar_xattr *xattrs;
    size_t xattr_count;
};

/* The next entry (freed with tar_entry_free, also after a failure): 1, 0 at the end of the archive, -1. Data and padding of the entry before must be consumed. */
int tar_next(struct archive_source *source, struct tar_entry *entry, struct archive_failure *failure);
void tar_entry_free(struct tar_entry *entry);

#endif
