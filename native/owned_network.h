/*
 * A network namespace that belongs to a user namespace which its first process is not in: another runtime's command is the
 * host's, and the container that it makes is to be root over the network that it finds. Only who is in a user namespace
 * makes namespaces that belong to it (user_namespaces(7)), so a process of a moment makes this one.
 */
#ifndef GANTRY_OWNED_NETWORK_H
#define GANTRY_OWNED_NETWORK_H

#include "failure.h"
#include "plan.h"

/* OP_OWNED_NETWORK, in the shim: make both namespaces and enter the network's, for the process that is cloned next. */
int owned_network_enter(const struct operation *op, struct failure *failure);

/* Back to the shim's own network. */
int owned_network_leave(struct failure *failure);

/* The same operation in the new process: mount the user namespace's file, for the runtime to be told of. */
int owned_network_show(int root, const struct operation *op, struct failure *failure);

#endif
