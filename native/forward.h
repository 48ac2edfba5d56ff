/*
 * Ports of the host for an engine that lives in a network namespace beside it: one process, in the engine's namespace, for all
 * of them. It asks another process, in the host's, for the sockets (forward_bind.h) and carries what arrives at them to the
 * containers. It outlives the daemon, and so do its ports.
 *
 * The daemon connects to a Unix socket; the newest connection is the daemon. Each line that it sends is answered by one line, a
 * decimal number: -errno, or 0 or what is said below.
 *
 *   begin                                                every port is doubtful until it is opened again
 *   open tcp|udp ADDRESS PORT TARGET_ADDRESS TARGET_PORT the port; an open one gets the new target. PORT 0 is any free one; without
 *                                                        a target, "- 0", what arrives is refused
 *   close tcp|udp ADDRESS PORT                           its connections are reset, if their container has not ended them
 *   end                                                  close the doubtful ones
 */
#ifndef GANTRY_FORWARD_H
#define GANTRY_FORWARD_H

/* Forward for whoever connects to `listener`, with sockets of whoever answers at `channel`. Returns only when it cannot begin, with errno. */
void forward_ports(int listener, int channel);

#endif
