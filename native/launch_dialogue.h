/*
 * What the shim and the new process tell each other, over the task's socket pair, from the clone to the program. `control` is the
 * connection of whoever asked for the launch. All return -1 with the failure.
 */
#ifndef GANTRY_LAUNCH_DIALOGUE_H
#define GANTRY_LAUNCH_DIALOGUE_H

#include "failure.h"
#include "plan.h"
#include "task.h"

/* The new process works through its phase; hear what it says until it stands before execve. */
int launch_await_ready(struct task *task, const struct plan *plan, int control, struct failure *failure);

/* A shim that leaves hears of the process's execve, or of why there was none. */
int launch_await_executed(const struct task *task, struct failure *failure);

/* The command of another runtime runs now, and is waited for: what it leaves behind is the new process. */
int launch_await_runtime(struct task *task, const struct operation *op, struct failure *failure);

#endif
