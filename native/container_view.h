/*
 * The files of a container as an engine copies them in and out: its root file system and what the user has mounted
 * into it, without what the engine mounts (/proc, /sys, /dev). Made in a mount namespace of the caller's own, where
 * nothing but the container's files can be reached below the view's root.
 */
#ifndef GANTRY_CONTAINER_VIEW_H
#define GANTRY_CONTAINER_VIEW_H

#include "failure.h"
#include "plan.h"

/* A process of a running container, known by its number and, since numbers are used again, by its control group. */
struct view_process {
    const char *pid, *group;
};

/*
 * `plan` holds the root (rootfs-overlay), the mounts over it (bind, mount) and root-readonly. Without a process they
 * are made from their sources; what would be empty, such as a tmpfs, is left out. With a process all of them are
 * clones of its own mounts, as it has them now: of the plan only the places count. Returns the root's descriptor or -1;
 * ESRCH when the process is none of the control group any more.
 */
int container_view_open(const struct plan *plan, const struct view_process *process, struct failure *failure);

#endif
