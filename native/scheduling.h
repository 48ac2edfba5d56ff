/* How the kernel runs a process among others (OCI runtime-spec, config.md, scheduler and ioPriority). */
#ifndef GANTRY_SCHEDULING_H
#define GANTRY_SCHEDULING_H

#include "failure.h"
#include "plan.h"

/* Fields: policy, flags, nice, priority, runtime, deadline, period of sched_setattr(2). */
int scheduling_policy(const struct operation *op, struct failure *failure);
/* Class and data of ioprio_set(2) in one word. */
int scheduling_io_priority(const struct operation *op, struct failure *failure);

#endif
