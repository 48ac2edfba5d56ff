#include "launch_dialogue.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adoption.h"
#include "connection.h"
#include "container.h"
#include "handoff.h"
#include "protocol.h"

static int receive(const struct task *task, struct sync_message *message, int *fd) {
    struct iovec part = {message, sizeof *message};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t size;
    /* A process that has ended before it read all leaves an error in front of its last words (unix(7)). */
    do size = recvmsg(task->sync, &head, MSG_CMSG_CLOEXEC);
    while (size < 0 && (errno == EINTR || errno == ECONNRESET));
    if (size != sizeof *message) return -1;
    struct cmsghdr *item = CMSG_FIRSTHDR(&head);
    *fd = -1;
    if (item && item->cmsg_type == SCM_RIGHTS) memcpy(fd, CMSG_DATA(item), sizeof *fd);
    return 0;
}

/* Whoever asked for the launch runs programs of its own now; anything but its word to go on is a refusal. */
static int await_hooks(const struct task *task, int control, struct failure *failure) {
    struct sync_message message = {.kind = SYNC_GO};
    uint32_t pid = htobe32((uint32_t)task->pid);
    uint8_t head[FRAME_HEAD_BYTES];
    send_frame(control, FRAME_HOOKS, &pid, sizeof pid);
    ssize_t got;
    do got = recv(control, head, sizeof head, MSG_WAITALL);
    while (got < 0 && errno == EINTR);
    if (got != sizeof head || head[0] != FRAME_CONTINUE) return fail_with(failure, ECANCELED, "a hook failed", "");
    return send(task->sync, &message, sizeof message, MSG_NOSIGNAL) < 0 ? fail(failure, "send", "to the new process") : 0;
}

int launch_await_ready(struct task *task, const struct plan *plan, int control, struct failure *failure) {
    struct sync_message message = {.kind = SYNC_GO};
    /* One that has ended already has said why. */
    if (send(task->sync, &message, sizeof message, MSG_NOSIGNAL) < 0 && errno != EPIPE)
        return fail(failure, "send", "to the new process");
    for (;;) {
        int fd;
        if (receive(task, &message, &fd)) return fail_with(failure, ECHILD, "the new process was killed before it ran", "");
        switch (message.kind) {
        case SYNC_MASTER: {
            const struct operation *socket = plan_find(plan, OP_CONSOLE_SOCKET);
            if (socket) {
                int handed = handoff_console(socket->f[0].s, fd, failure);
                close(fd);
                if (handed) return -1;
                break;
            }
            task->master = fd;
            if (fcntl(fd, F_SETFL, O_NONBLOCK)) return fail(failure, "fcntl", "O_NONBLOCK");
            break;
        }
        case SYNC_HOOKS:
            if (await_hooks(task, control, failure)) return -1;
            break;
        case SYNC_WARNING: send_failure(control, FRAME_WARNING, &message.failure); break;
        case SYNC_FAILED: *failure = message.failure; return -1;
        case SYNC_READY: return 0;
        }
    }
}

int launch_await_executed(const struct task *task, struct failure *failure) {
    struct sync_message message;
    int fd;
    if (receive(task, &message, &fd)) return 0;
    if (message.kind == SYNC_FAILED) *failure = message.failure;
    return message.kind == SYNC_FAILED ? -1 : 0;
}

int launch_await_runtime(struct task *task, const struct operation *op, struct failure *failure) {
    struct sync_message message;
    int fd, status;
    if (receive(task, &message, &fd) == 0 && message.kind == SYNC_FAILED) {
        *failure = message.failure;
        return -1;
    }
    close(task->sync);
    task->sync = -1;
    while (waitpid(task->pid, &status, 0) < 0 && errno == EINTR) {
    }
    *failure = (struct failure){.index = op->index, .code = op->code};
    return adoption_complete(task, op, status, failure);
}
