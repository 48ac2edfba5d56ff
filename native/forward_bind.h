/*
 * Sockets of one network namespace for a process in another: a socket stays where it was made, whoever has it. Who asks and
 * who answers hold the two ends of a socket pair of SOCK_SEQPACKET.
 */
#ifndef GANTRY_FORWARD_BIND_H
#define GANTRY_FORWARD_BIND_H

#include "endpoint.h"

/* A bound socket of SOCK_STREAM, which listens, or SOCK_DGRAM; it does not block. Returns it, or -1 with errno of who answers. */
int forward_bind_ask(int channel, int type, const struct endpoint *endpoint);

/* Answer one question, from the namespace that this process is in. Returns 0, or -1 when nobody asks any more. */
int forward_bind_answer(int channel);

#endif
