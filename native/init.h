/* --init: the first process of a container forwards signals to the program and reaps what is orphaned. */
#ifndef GANTRY_INIT_H
#define GANTRY_INIT_H

#include <stddef.h>

#include "failure.h"

/*
 * Split this process in two: returns 0 in the child, which is to become the program; the parent never returns, it
 * lives until the child has ended and ends with its exit code. `title` of `size` bytes is what ps(1) shows of the
 * parent, and is overwritten. Returns -1 when there can be no second process.
 */
int init_split(char *title, size_t size, struct failure *failure);

#endif
