/* The unpacking of an archive that is no layer, for other modes than unpack itself. */
#ifndef GANTRY_UNPACK_PLAIN_H
#define GANTRY_UNPACK_PLAIN_H

#include <stdbool.h>
#include <sys/types.h>

#include "archive_failure.h"

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
