/* Whether memory runs out in the control group of a task: told while it runs, and said of its end. One task a process. */
#ifndef GANTRY_OOM_WATCH_H
#define GANTRY_OOM_WATCH_H

#include "plan.h"

/* At the launch: what has happened in the group before is another task's. `op` lives as long as the shim. */
void oom_watch_begin(const struct operation *op);

/* The process runs. From now on there is a descriptor. */
void oom_watch_arm(void);

/*
 * Ready, for `events` of poll(2), each time memory may have run out: of version 1 an eventfd(2) (kernel:
 * admin-guide/cgroup-v1/memory, "OOM control"), of version 2 the file of events itself. -1 without one.
 */
int oom_watch_descriptor(short *events);

/* It is ready. Returns 1 when memory has run out. */
int oom_watch_take(void);

/* The first process has ended; `is_killed`: by a SIGKILL that nobody asked this shim for. Returns 1 when somebody was killed for memory. */
int oom_watch_end(int is_killed);

#endif
