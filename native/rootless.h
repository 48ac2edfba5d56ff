/*
 * The user, mount and network namespaces in which an ordinary user's engine lives. They are held by a process of their
 * own, so that containers keep their network when the daemon ends and the next daemon finds everything again.
 */
#ifndef GANTRY_ROOTLESS_H
#define GANTRY_ROOTLESS_H

#include "failure.h"

struct rootless {
    /* Of the user's, for this engine alone: the lock, who holds the namespaces, its network program's files. */
    const char *folder;
    /* "INSIDE OUTSIDE COUNT" repeated, as newuidmap(1) takes it; one entry alone needs no such program. */
    const char *uids, *gids;
    /* A file to be /etc/resolv.conf in there. */
    const char *resolv_conf;
    /* "slirp4netns", "pasta" or "none" (loopback alone), and the path of that program. */
    const char *network, *network_program;
};

/* Make the namespaces, unless they are there, and enter them as their root. Returns 0, or -1 with the failure. */
int rootless_enter(const struct rootless *rootless, struct failure *failure);

/* Enter a namespace of a process: "user" with CLONE_NEWUSER, and so on. Returns 0, or -1 with the failure. */
int rootless_join(long holder, const char *kind, int flag, struct failure *failure);

/* Close all descriptors from 3 on but these two. */
void rootless_close_all_but(int one, int other);

#endif
