/* The pipes of a new process, by what its plan says of stdio. */
#ifndef GANTRY_STDIO_OPEN_H
#define GANTRY_STDIO_OPEN_H

#include "container.h"
#include "task.h"

/*
 * Make or take what becomes stdin, stdout and stderr: the process's ends go into `container`, the shim's into `task`. A
 * terminal is made later, by the process. 0, or -1 with `failure`; what was opened before that ends with the shim.
 */
int stdio_open(const struct plan *plan, struct task *task, struct container *container, struct failure *failure);

#endif
