/* Overlayfs put together, on kernels that take its layers one by one and on those that take them in one string. */
#ifndef GANTRY_OVERLAY_H
#define GANTRY_OVERLAY_H

#include "failure.h"
#include "plan.h"

/*
 * What a rootfs-overlay, a union-path or a mount of the type overlay is to show, as a detached mount with these MOUNT_ATTR_*.
 * Kernels before 6.7 mount it over its topmost lower folder for a moment, in this mount namespace.
 */
int overlay_tree(const struct operation *op, uint64_t attributes, struct failure *failure);

#endif
