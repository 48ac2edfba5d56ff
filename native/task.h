/* One task: the process that the shim launched, and all that the shim holds for it. */
#ifndef GANTRY_TASK_H
#define GANTRY_TASK_H

#include <stdint.h>
#include <sys/types.h>

#include "failure.h"
#include "plan.h"
#include "protocol.h"

struct task {
    const struct plan *plan;
    /* the state folder, and its path */
    int folder;
    const char *folder_path;
    /* the file that becomes the exit record */
    int record;
    int listener;
    pid_t pid;
    int pidfd;
    /* socket pair to the new process until its execve; then -1 */
    int sync;
    /* write end of stdin; read ends of stdout and stderr; or the terminal's master in `master` */
    int input;
    int output[2];
    int master;
    uint8_t phase;
    uint8_t stdin_once;
    uint32_t exit_code, signal, oom;
    uint64_t started_ns, ended_ns;
};

/* Care for a created task until its end is recorded and nobody asks for it any more. Returns the exit code of the shim. */
int supervise(struct task *task, int control);

/* Frames to a control connection; blocking, for they are small. Errors are ignored: the other side is gone then. */
void send_frame(int fd, uint8_t kind, const void *body, uint32_t size);
void send_failure(int fd, uint8_t kind, const struct failure *failure);
void send_state(int fd, const struct task *task);

uint64_t now_ns(void);

#endif
