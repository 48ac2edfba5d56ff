/* The cgroup folders that a shim made, and what it asks them. */
#ifndef GANTRY_CGROUPS_H
#define GANTRY_CGROUPS_H

#include "failure.h"
#include "plan.h"

int cgroup_create(const struct operation *op, struct failure *failure);
/* Kill whatever is left in the folders that this shim made, and remove them, innermost first. */
void cgroup_kill_all(void);
void cgroup_remove_all(void);

#endif
