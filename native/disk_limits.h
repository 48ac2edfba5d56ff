/*
 * ext4 lets whoever has CAP_SYS_RESOURCE write over a disk quota (quotactl(2)). What the engine writes on a container's
 * behalf is to stay within the container's limits.
 */
#ifndef GANTRY_DISK_LIMITS_H
#define GANTRY_DISK_LIMITS_H

#include <stdbool.h>

/* Take CAP_SYS_RESOURCE out of the thread's effective capabilities. Gives whether it was in there, or -1 with errno. */
int disk_limits_obey(void);
/* Put it back where disk_limits_obey has given 1. */
int disk_limits_ignore(void);

#endif
