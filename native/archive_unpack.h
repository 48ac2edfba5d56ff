/* Archives become files: layers, as overlayfs wants them, and archives that are none. */
#ifndef GANTRY_ARCHIVE_UNPACK_H
#define GANTRY_ARCHIVE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "archive_failure.h"
#include "archive_source.h"

/* Where a layer goes, as open folders, and what is looked out for. */
struct unpack_layer {
    int folder;
    /* The layers below, topmost first, for the attributes of parents that the layer does not bring itself. */
    const int *lower;
    size_t lower_count;
    /* They are not there yet: a parent that is not brought is a failure of its own code. */
    bool lower_unknown;
    /* Names of whiteouts mean nothing. */
    bool plain;
    /* Where the uncompressed bytes are written as well; -1. */
    int copy;
    struct source_limit limit;
};

struct unpacked {
    /* The archive was read to its end: digest and size are known, also of one that turned out to be bad with a `copy`. */
    bool whole;
    char digest[65];
    uint64_t tar_bytes, file_bytes, entries;
};

/* Unpack the layer at `archive`'s position (plain or compressed). Descriptors stay the caller's. */
int unpack_layer(int archive, const struct unpack_layer *layer, struct unpacked *unpacked, struct archive_failure *failure);

/* Unpack the archive at `archive`'s position (plain or compressed) into the open folder. Both stay the caller's. */
int unpack_plain(int archive, int folder, struct archive_failure *failure);

/* A folder in a whole tree of files that others may be using, such as a container's. */
struct unpack_target {
    /* The tree's root, the folder, and the folder's true name in the tree. */
    int whole, folder;
    const char *base;
    /* How the folder is called in what a person reads. */
    const char *shown;
    /* No folder is replaced by anything else, and nothing else by a folder (Docker's noOverwriteDirNonDir). */
    bool keep_kinds;
    /* Everything belongs to this user instead of those in the archive. */
    bool owned;
    uid_t uid;
    gid_t gid;
    /* Names that begin with the one begin with the other instead; NULL for none. */
    const char *rename_from, *rename_to;
};

/* The same into a target. Links on the way are followed within the tree, the folder's own attributes stay. */
int unpack_to_target(int archive, const struct unpack_target *target, struct archive_failure *failure);

#endif
