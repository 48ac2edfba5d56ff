/* Programs that a bundle's configuration wants run while its container is made (OCI runtime-spec, config.md, hooks). */
#ifndef GANTRY_HOOKS_H
#define GANTRY_HOOKS_H

#include "failure.h"
#include "plan.h"

enum hook_stage { HOOK_NOW = 0, HOOK_AT_START = 1 };

/*
 * Run one hook in this process's namespaces and wait for it: the state of the container is its stdin, into which this
 * process's id is written. A hook that fails or takes longer than its time fails the launch.
 */
int hook_run(const struct operation *op, struct failure *failure);

#endif
