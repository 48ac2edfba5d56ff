/* The cgroup folders that a shim made, and what it asks them. */
#ifndef GANTRY_CGROUPS_H
#define GANTRY_CGROUPS_H

#include "failure.h"
#include "plan.h"

int cgroup_create(const struct operation *op, struct failure *failure);
/* Count of out-of-memory kills so far in the file watched; 0 without one. */
uint64_t cgroup_oom_kills(const struct operation *watch);
/*
 * A descriptor that becomes ready, for `events` of poll(2), each time memory may have run out: of version 1 an eventfd(2)
 * (kernel: admin-guide/cgroup-v1/memory, "OOM control"), of version 2 the file watched. -1 without one.
 */
int cgroup_oom_notice(const struct operation *watch, short *events);
/* What made it ready has been heard. */
void cgroup_oom_heard(const struct operation *watch, int notice);
/* Kill whatever is left in the folders that this shim made, and remove them, innermost first. */
void cgroup_kill_all(void);
void cgroup_remove_all(void);

#endif
