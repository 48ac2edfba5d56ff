#include "adoption.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "handoff.h"

static int listener = -1;

int adoption_prepare(const struct operation *op, struct failure *failure) {
    if (op->f[1].n == 0) return 0;
    listener = handoff_listen(op->f[1].s, failure);
    return listener < 0 ? -1 : 0;
}

static int refuse(int status, struct failure *failure) {
    char detail[64] = "";
    append_text(detail, sizeof detail, WIFSIGNALED(status) ? "was killed by signal " : "ended with exit status ");
    append_number(detail, sizeof detail, (uint64_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
    return fail_with(failure, ECANCELED, "the runtime", detail);
}

/* Only a child of the shim's own: by then all that its children have left behind are. */
static pid_t read_child(const char *path, struct failure *failure) {
    char text[24];
    siginfo_t info;
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (got <= 0) return fail_with(failure, fd < 0 || got < 0 ? errno : ENODATA, "the runtime wrote no process id into", path);
    text[got] = 0;
    char *end;
    long pid = strtol(text, &end, 10);
    if ((*end && *end != '\n') || pid <= 0 || pid > INT32_MAX) return fail_with(failure, EINVAL, "no process id is in", path);
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT)) return fail(failure, "the runtime's process is nobody's of the shim:", text);
    return (pid_t)pid;
}

/* The runtime has sent it before it ended: whatever is not there now never comes. */
static int take_terminal(const struct plan *plan, struct failure *failure) {
    char word[256];
    struct iovec part = {word, sizeof word};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    int master = -1;
    if (fcntl(listener, F_SETFL, O_NONBLOCK)) return fail(failure, "fcntl", "O_NONBLOCK");
    AUTO_FD connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0 || recvmsg(connection, &head, MSG_CMSG_CLOEXEC) < 0) return fail(failure, "the runtime handed over no terminal", "");
    struct cmsghdr *item = CMSG_FIRSTHDR(&head);
    if (item && item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS && item->cmsg_len == CMSG_LEN(sizeof master))
        memcpy(&master, CMSG_DATA(item), sizeof master);
    if (master < 0) return fail_with(failure, EBADMSG, "the runtime handed over no terminal", "");
    for (uint16_t i = 0; i < plan->count; i++) {
        const struct field *f = plan->operations[i].f;
        struct winsize size = {.ws_row = (unsigned short)f[3].u, .ws_col = (unsigned short)f[4].u};
        if (plan->operations[i].code == OP_STDIO && size.ws_row) (void)ioctl(master, TIOCSWINSZ, &size);
    }
    if (fcntl(master, F_SETFL, O_NONBLOCK)) {
        close(master);
        return fail(failure, "fcntl", "O_NONBLOCK");
    }
    return master;
}

int adoption_complete(struct task *task, const struct operation *op, int status, struct failure *failure) {
    /* The command's own id is free again, and must not be taken for the task's. */
    task->pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return refuse(status, failure);
    pid_t pid = read_child(op->f[0].s, failure);
    if (pid < 0) return -1;
    int handle = (int)syscall(SYS_pidfd_open, pid, 0);
    if (handle < 0) return fail(failure, "pidfd_open", "of the runtime's process");
    close(task->pidfd);
    task->pidfd = handle;
    task->pid = pid;
    if (listener < 0) return 0;
    task->master = take_terminal(task->plan, failure);
    close(listener);
    listener = -1;
    return task->master < 0 ? -1 : 0;
}
