/*
 * UDP from clients of a forwarded port to its container: each client has a flow, a socket of its own towards the container, so
 * that answers find back. A flow that was silent for a minute ends; the one silent longest makes room.
 */
#ifndef GANTRY_FORWARD_DATAGRAMS_H
#define GANTRY_FORWARD_DATAGRAMS_H

#include <stdint.h>

#include "endpoint.h"

/* At most `most` flows at once. Answers are watched in `epoll` as `of_container` << 32 | index of the flow. */
void datagrams_begin(int epoll, uint32_t most, uint32_t of_container);

/* Have a port's socket tell where datagrams were sent to: answers come from there. Returns 0, or -1 with errno. */
int datagrams_prepare(int socket, int family);

/* Pass on what clients have sent to a port's socket; without a target it is dropped. */
void datagrams_from_clients(int socket, uint32_t port, const struct endpoint *target);

/* Pass on what a container has answered. */
void datagrams_from_container(uint32_t flow);

/* End a port's flows. */
void datagrams_end(uint32_t port);

/* End what was silent for too long. Gives the milliseconds until there may be more to do, -1 for never. */
int datagrams_expire(void);

#endif
