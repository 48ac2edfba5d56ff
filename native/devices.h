/* Device nodes and fifos of a root. */
#ifndef GANTRY_DEVICES_H
#define GANTRY_DEVICES_H

#include "failure.h"
#include "plan.h"

/*
 * Make the node of an OP_DEVICE below `root`. A node that is there already is kept when it is the same device; anything
 * else in its place fails with EEXIST. Where the kernel refuses to make devices (in a user namespace), the host's own
 * node of that path is mounted instead, if it is the same device. A node that the shim made ahead comes as the detached
 * mount `made_ahead`, else -1.
 */
int device_make(int root, const struct operation *op, int made_ahead, struct failure *failure);

#endif
