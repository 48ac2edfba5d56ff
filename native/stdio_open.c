#include "stdio_open.h"

#include <fcntl.h>
#include <unistd.h>

#include "user_namespace.h"

int stdio_open(const struct plan *plan, struct task *task, struct container *container, struct failure *failure) {
    const struct operation *op = plan_find(plan, OP_STDIO);
    int pipes[3][2];
    task->input = task->output[0] = task->output[1] = task->master = -1;
    container->stdio[0] = container->stdio[1] = container->stdio[2] = -1;
    task->stdin_once = op && op->f[2].u;
    /* Another runtime makes the terminal; its command needs none. */
    int terminal = op && op->f[0].u;
    if (terminal && plan_find(plan, OP_ADOPT)) {
        for (int i = 0; i < 3; i++) container->stdio[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
        return 0;
    }
    if (terminal) return 0;
    if (plan_find(plan, OP_STDIO_INHERITED)) {
        for (int i = 0; i < 3; i++) {
            container->stdio[i] = i;
            /* The caller's runtime may have set it for itself; programs expect to be able to wait. */
            int flags = fcntl(container->stdio[i], F_GETFL);
            if (flags >= 0) fcntl(container->stdio[i], F_SETFL, flags & ~O_NONBLOCK);
        }
        return 0;
    }
    /* For /dev/stdout to be opened again in a user namespace. */
    uid_t owner;
    gid_t group;
    user_namespace_root(plan, &owner, &group);
    int first = op && op->f[1].u ? 0 : 1;
    if (first == 1) container->stdio[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = first; i < 3; i++) {
        if (pipe2(pipes[i], O_CLOEXEC)) return fail(failure, "pipe", "");
        if (owner != (uid_t)-1 && fchown(pipes[i][0], owner, group)) return fail(failure, "chown", "stdio");
        int ours = i == 0 ? pipes[i][1] : pipes[i][0];
        container->stdio[i] = i == 0 ? pipes[i][0] : pipes[i][1];
        if (fcntl(ours, F_SETFL, O_NONBLOCK)) return fail(failure, "fcntl", "O_NONBLOCK");
        if (i == 0) task->input = ours;
        else task->output[i - 1] = ours;
    }
    return 0;
}
