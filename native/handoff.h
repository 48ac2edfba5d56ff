/*
 * What a shim that does not stay hands to others: the terminal over a socket that the caller names, and the word to
 * start by a socket of its own that the new process listens on.
 */
#ifndef GANTRY_HANDOFF_H
#define GANTRY_HANDOFF_H

#include "failure.h"

/* Send a descriptor to who listens on the unix socket `path`. */
int handoff_console(const char *path, int master, struct failure *failure);
/* A listening socket of that name. Returns its descriptor, or -1. */
int handoff_listen(const char *path, struct failure *failure);
/* Wait until somebody connects and says so; returns the connection, to which a failure can be told, or -1. */
int handoff_await(int listener);
/* "ERRNO DETAIL\n" to who asked for the start. */
void handoff_tell(int connection, const struct failure *failure);

#endif
