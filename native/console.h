/* The terminal of a container: a pty of its own devpts instance, whose master goes to the shim. */
#ifndef GANTRY_CONSOLE_H
#define GANTRY_CONSOLE_H

#include "failure.h"
#include "plan.h"

/* Open a pty below `root`; sets its size from the stdio operation. Returns the master, or -1. */
int console_open(int root, const struct operation *stdio, struct failure *failure);
/* Make the pty's slave this session's controlling terminal and stdin, stdout, stderr. */
int console_enter(int master, struct failure *failure);
/* The slave as /dev/console of the root. */
int console_bind(int root, int master, struct failure *failure);

#endif
