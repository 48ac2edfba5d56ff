#ifndef GANTRY_NETLINK_SEND_H
#define GANTRY_NETLINK_SEND_H

#include "failure.h"
#include "plan.h"

/* A socket of the operation's protocol in the caller's present network namespace. */
int netlink_open(const struct operation *op, struct failure *failure);

/* Send the operation's messages over `socket`, each with the pid written in, and wait for every acknowledgement. */
int netlink_send(int socket, const struct operation *op, uint32_t pid, struct failure *failure);

#endif
