/*
 * A folder that is filled from names nobody trusts. Every name is resolved from the folder's fd with openat2(2),
 * RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS: no "..", no absolute name and no link planted by an earlier entry can lead
 * out of it. What is made, linked or removed is then one plain name in an open parent.
 */
#ifndef GANTRY_ARCHIVE_TREE_H
#define GANTRY_ARCHIVE_TREE_H

#include <linux/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "archive_failure.h"

enum { TREE_CACHED_PARENTS = 16 };

struct tree_parent {
    /* Without slash at the end; "" is the root itself. NULL in a free slot. */
    char *path;
    int fd;
    /* New children would inherit the folder's group. */
    bool setgid;
};

struct archive_tree {
    int root;
    const int *lower;
    size_t lower_count;
    /* The layers below are not known: a missing parent is a failure, ARCHIVE_NEEDS_PARENTS. */
    bool lower_unknown;
    /*
     * Not NULL for files that are no layer but a whole tree in use: `root` is the folder of this true name in the tree
     * `whole`; links on the way are then followed as they lie in it, and mounts looked into.
     */
    const char *base;
    int whole;
    struct tree_parent parents[TREE_CACHED_PARENTS];
    unsigned next_slot;
    struct archive_failure *failure;
};

/* A name of the archive, split: `parent` is an open folder of the tree (owned by the cache, valid until the next call). */
struct tree_place {
    int parent;
    bool parent_setgid;
    char path[PATH_MAX];
    /* Inside `path`; empty for the root itself. */
    const char *name;
};

/* Clean "./a//b/" to "a/b" and refuse what leaves the folder. A leading slash is dropped, as every tar does. */
int tree_clean(const char *raw, char path[PATH_MAX], struct archive_failure *failure);

/* Open the parent of `raw`. `create`: make missing parents like those of the lower folders. Without it a missing parent is -ENOENT. */
int tree_locate(struct archive_tree *tree, const char *raw, bool create, struct tree_place *place);

/* Remove whatever has this name, folders with all they hold. 1 when it was a folder (then open parents are to be forgotten), else 0. */
int tree_remove(struct archive_tree *tree, const struct tree_place *place);

/* Forget open parents, because one of them may have been replaced. */
void tree_forget_parents(struct archive_tree *tree);

/* Open a folder that was made under this name, wherever links on the way lead; -1 when it is none any more. */
int tree_open_made(const struct archive_tree *tree, const char *path);

/* openat2 confined to `root`; -1 with errno. */
int tree_open(int root, const char *path, int flags);

/* The same, going into what is mounted below `root` too. */
int tree_open_across(int root, const char *path, int flags);

/*
 * Open for reading the regular file that `expected` describes; -1 with ESTALE when something else has taken its name.
 * That is then not even opened: a container that runs while it is packed could put a fifo there, which blocks, or a
 * device node, which it cannot open itself but the engine can.
 */
int tree_open_file(int parent, const char *name, const struct stat *expected);

#endif
