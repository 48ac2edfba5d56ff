/*
 * A shim that waits for its task. Two executions and their page faults are most of what a shim costs before its first
 * useful system call; one that has them behind it is told the task's folder over its control connection.
 */
#ifndef GANTRY_STANDBY_H
#define GANTRY_STANDBY_H

#include "failure.h"

/*
 * Wait for FRAME_TASK, whose body is the task's folder: it replaces `folder`, which lies in the arguments and has the
 * same length, so that the process is listed like any other shim. What the shim says from then on goes to "shim.log" in
 * there. Returns a descriptor of the file "plan" in it; -1 when there is none or the frame is another, with the reason
 * in `failure`. Ends the process when the connection ends: the engine has gone.
 */
int standby_await(int control, char *folder, struct failure *failure);

#endif
