/*
 * TCP connections from clients of a forwarded port to its container. Bytes go through pipes by splice(2) and are never
 * copied here; what a receiver does not take yet stays in one pipe, and no more is read for it meanwhile.
 */
#ifndef GANTRY_FORWARD_STREAMS_H
#define GANTRY_FORWARD_STREAMS_H

#include <stdint.h>

#include "endpoint.h"

/*
 * At most `most` connections at once. Events of a connection's two sockets are watched in `epoll` as SOURCE << 32 | index: with
 * the source `of_client` or `of_container`.
 */
void streams_begin(int epoll, uint32_t most, uint32_t of_client, uint32_t of_container);

/* Take what has connected to a port; without a target it is refused. */
void streams_accept(int listener, uint32_t port, const struct endpoint *target);

/* Whether another connection could be taken now. */
int streams_have_room(void);

/* Something happened to a connection's socket. */
void streams_follow(uint32_t index);

/* Reset a port's connections, but for those whose container has said all: what their clients have not taken yet is still theirs. */
void streams_end(uint32_t port);

#endif
