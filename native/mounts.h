/* Mounts made with the descriptor-based calls (fsopen, open_tree, move_mount): no path is looked up twice. */
#ifndef GANTRY_MOUNTS_H
#define GANTRY_MOUNTS_H

#include "failure.h"
#include "plan.h"

/* attributes of a plan are MOUNT_ATTR_* of mount_setattr(2); this bit asks for AT_RECURSIVE */
#define PLAN_ATTR_RECURSIVE (1ull << 63)

/* A mount made ahead: the detached tree, and of a volume to be filled the folder above it. Each -1 when there is none. */
struct made_mount {
    int tree, above;
};

int mount_propagation(const struct operation *op, struct failure *failure);
/* pivot_root(2) wants the mount around the new root to be private, and nothing of this namespace is to reach the host. */
int mount_surrounding_private(const char *place, struct failure *failure);
/* A folder as a root, as a detached mount. */
int mount_bind_tree(const struct operation *op, struct failure *failure);
/* Attach a root at `place` and return its descriptor, which is `tree`; that is closed on failure. */
int mount_attach_root(int tree, const char *place, struct failure *failure);
/* A new file system, detached, and on its place: `tree` is such a one, or -1. */
int mount_filesystem_tree(const struct operation *op, struct failure *failure);
int mount_filesystem(int root, const struct operation *op, int tree, struct failure *failure);
/* A tmpfs filled with what the root has at its place. */
int mount_tmpfs_copy_up(int root, const struct operation *op, struct failure *failure);
/* A file or folder in a read-only union of folders. */
int mount_union_path(int root, const struct operation *op, struct failure *failure);
/* What is to be bound, detached and with its owners; and both in one, when `made` is NULL or holds none. */
int mount_bind_source(const struct operation *op, struct made_mount *made, struct failure *failure);
int mount_bind(int root, const struct operation *op, const struct made_mount *made, struct failure *failure);
/* A folder of another mount namespace, resolved inside that one's root: what containers of one IPC namespace share. */
int mount_from_namespace(int root, const struct operation *op, struct failure *failure);
int mount_root_readonly(int root, struct failure *failure);
int mount_mask(int root, const struct operation *op, struct failure *failure);
int mount_readonly_path(int root, const struct operation *op, struct failure *failure);
/* Put the detached mount `tree` on `target`; both stay the caller's. */
int mount_attach(int tree, int target, struct failure *failure, const char *subject);

/* Takes one option of a file system; `value` is NULL for a flag. Returns 0, or -1 with the failure. */
typedef int (*take_option)(void *to, const char *key, const char *value, struct failure *failure);
/* Give each of "key=value,flag,key=value" to `take`, which gets `to`. Stops at the first that it refuses. */
int mount_options_each(const char *options, take_option take, void *to, struct failure *failure);

#endif
