/* Mounts made with the descriptor-based calls (fsopen, open_tree, move_mount): no path is looked up twice. */
#ifndef GANTRY_MOUNTS_H
#define GANTRY_MOUNTS_H

#include "failure.h"
#include "plan.h"

/* attributes of a plan are MOUNT_ATTR_* of mount_setattr(2); this bit asks for AT_RECURSIVE */
#define PLAN_ATTR_RECURSIVE (1ull << 63)

int mount_propagation(const struct operation *op, struct failure *failure);
/* The two kinds of root; they attach it at `place` (a folder in this mount namespace) and return its descriptor. */
int mount_rootfs_overlay(const struct operation *op, const char *place, struct failure *failure);
int mount_rootfs_bind(const struct operation *op, const char *place, struct failure *failure);
int mount_filesystem(int root, const struct operation *op, struct failure *failure);
/* A tmpfs filled with what the root has at its place. */
int mount_tmpfs_copy_up(int root, const struct operation *op, struct failure *failure);
int mount_bind(int root, const struct operation *op, struct failure *failure);
/* A folder of another mount namespace, resolved inside that one's root: what containers of one IPC namespace share. */
int mount_from_namespace(int root, const struct operation *op, struct failure *failure);
int mount_root_readonly(int root, struct failure *failure);
int mount_mask(int root, const struct operation *op, struct failure *failure);
int mount_readonly_path(int root, const struct operation *op, struct failure *failure);
/* Put the detached mount `tree` on `target`; both stay the caller's. */
int mount_attach(int tree, int target, struct failure *failure, const char *subject);

#endif
