/*
 * Published ports of an ordinary user's engine, as the keeper of its namespaces sees them: it makes the host's sockets and starts
 * the process that forwards them (forward.h).
 */
#ifndef GANTRY_ROOTLESS_PORTS_H
#define GANTRY_ROOTLESS_PORTS_H

#include <sys/types.h>
#include <time.h>

#include "failure.h"

struct rootless_ports {
    /* Where the daemon connects, whichever process forwards; and where the one that does asks for sockets. -1 when there is none. */
    int listener, channel;
    pid_t forwarder;
    time_t began;
};

/* FOLDER/ports.sock. Returns 0, or -1 with the failure. */
int rootless_ports_listen(struct rootless_ports *ports, const char *folder, struct failure *failure);

/*
 * Start the process that forwards, in the namespaces of `holder`; again when it has ended, but for one that could not work at all:
 * then nobody listens any more, and the daemon is refused.
 */
void rootless_ports_start(struct rootless_ports *ports, long holder);

#endif
