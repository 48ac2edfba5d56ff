/* Which devices the processes of a control group may use, where version 2 has no files for it: an eBPF program. */
#ifndef GANTRY_DEVICE_FILTER_H
#define GANTRY_DEVICE_FILTER_H

#include "failure.h"
#include "plan.h"

/* Load a compiled program and attach it to a group; it goes with the group. */
int device_filter_attach(const struct operation *op, struct failure *failure);

#endif
