/*
 * Another runtime makes the process: the program of the plan is its command, which leaves the new process behind, an
 * orphan that the shim as its subreaper inherits, writes that one's id into a file, and hands over its terminal.
 */
#ifndef GANTRY_ADOPTION_H
#define GANTRY_ADOPTION_H

#include "failure.h"
#include "plan.h"
#include "task.h"

/* When the runtime's command runs: at the launch, and makes what waits for its start, or at the start. */
enum adoption_time { ADOPT_AT_LAUNCH, ADOPT_AT_START };

/* Listen for the terminal, if there is to be one. */
int adoption_prepare(const struct operation *op, struct failure *failure);

/* The command has ended, with this status of waitpid(2): what it left behind is the task's process from now on. */
int adoption_complete(struct task *task, const struct operation *op, int status, struct failure *failure);

#endif
