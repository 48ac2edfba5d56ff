#include "rootless_ports.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "forward.h"
#include "rootless.h"

int rootless_ports_listen(struct rootless_ports *ports, const char *folder, struct failure *failure) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path, "%s/ports.sock", folder);
    if (length >= (int)sizeof address.sun_path) return fail_with(failure, ENAMETOOLONG, "listen in", folder);
    ports->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(address.sun_path);
    if (ports->listener < 0 || bind(ports->listener, (struct sockaddr *)&address, sizeof address) || listen(ports->listener, 4))
        return fail(failure, "listen at", address.sun_path);
    return 0;
}

static int drop_capabilities(void) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_capset, &head, none) ? -1 : 0;
}

/* What the world sends is carried by a process that may do nothing but that. */
static _Noreturn void forward(int listener, int channel, long holder, const sigset_t *signals) {
    struct failure failure = {0};
    sigprocmask(SIG_SETMASK, signals, NULL);
    prctl(PR_SET_NAME, "gantry-ports", 0, 0, 0);
    if (rootless_join(holder, "user", CLONE_NEWUSER, &failure) || rootless_join(holder, "net", CLONE_NEWNET, &failure) ||
        (drop_capabilities() && fail(&failure, "drop capabilities", ""))) {
        dprintf(STDERR_FILENO, "published ports: %s: %s\n", failure.detail, strerror(failure.error));
        _exit(1);
    }
    /* Forgotten with every change of rights. */
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    forward_ports(listener, channel);
    perror("published ports");
    _exit(1);
}

static void give_up(struct rootless_ports *ports) {
    close(ports->listener);
    ports->listener = ports->channel = -1;
    ports->forwarder = 0;
}

void rootless_ports_start(struct rootless_ports *ports, long holder) {
    int pair[2];
    sigset_t none;
    time_t now = time(NULL);
    if (ports->channel >= 0) close(ports->channel);
    ports->channel = -1;
    if (now == ports->began || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        give_up(ports);
        return;
    }
    sigemptyset(&none);
    ports->began = now;
    ports->forwarder = fork();
    if (ports->forwarder == 0) {
        rootless_close_all_but(ports->listener, pair[1]);
        forward(ports->listener, pair[1], holder, &none);
    }
    close(pair[1]);
    ports->channel = pair[0];
    if (ports->forwarder < 0) give_up(ports);
}
