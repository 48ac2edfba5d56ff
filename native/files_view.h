/*
 * A file tree put together from layer folders, to look at or to write into without a container: one folder as it is,
 * several as an overlay in a mount namespace of the caller's own. Names are resolved below its descriptor only.
 */
#ifndef GANTRY_FILES_VIEW_H
#define GANTRY_FILES_VIEW_H

#include <linux/limits.h>
#include <stddef.h>

#include "archive_failure.h"

enum { VIEW_MAX_LOWER = 512 };

struct view_folders {
    /* Topmost first. */
    const char *lower[VIEW_MAX_LOWER];
    size_t lower_count;
    /* Both or neither; with an upper folder alone (no lower one) that folder is the tree. */
    const char *upper, *work;
};

/* A descriptor of the tree's root, or -1. */
int view_open(const struct view_folders *folders, struct archive_failure *failure);

/*
 * The true name of `raw` in the tree: every link on the way followed, none of them out of it, without slashes around.
 * Missing parts at the end are kept as they are. Returns 0, or -1 with errno (ELOOP, ENAMETOOLONG, ENOTDIR).
 */
int view_resolve(int root, const char *raw, char path[PATH_MAX]);

#endif
