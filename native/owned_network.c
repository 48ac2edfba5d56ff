#include "owned_network.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "mount_idmap.h"
#include "rootpath.h"

/* The user namespace, and the network namespace that is left for a moment. */
static int owner = -1, before = -1;

static int open_owner(const struct operation *op, struct failure *failure) {
    char maps[4096] = "";
    if (op->f[2].n > 0) {
        int joined = open(op->f[2].s, O_RDONLY | O_CLOEXEC);
        return joined < 0 ? fail(failure, "open", op->f[2].s) : joined;
    }
    if (op->f[0].n + op->f[1].n + 2 > sizeof maps) return fail_with(failure, E2BIG, "map owners", "");
    append_text(maps, sizeof maps, op->f[0].s);
    append_text(maps, sizeof maps, "/");
    append_text(maps, sizeof maps, op->f[1].s);
    return idmap_namespace(maps, failure);
}

/* Whoever has entered a user namespace cannot leave it: so a process of a moment does, and tells an errno or 0. */
static _Noreturn void make_network(int tell) {
    int descriptor = -1, error = 0;
    if (setns(owner, CLONE_NEWUSER) || unshare(CLONE_NEWNET) ||
        (descriptor = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0)
        error = errno;
    const int said[2] = {error, descriptor};
    (void)!write(tell, said, sizeof said);
    _exit(0);
}

static int open_network(struct failure *failure) {
    int pair[2], said[2] = {ECHILD, -1};
    if (pipe2(pair, O_CLOEXEC)) return fail(failure, "pipe", "");
    /* With CLONE_FILES what it opens is this process's as well. */
    struct clone_args args = {.flags = CLONE_FILES, .exit_signal = SIGCHLD};
    long maker = syscall(SYS_clone3, &args, sizeof args);
    if (maker == 0) make_network(pair[1]);
    AUTO_FD hear = pair[0];
    AUTO_FD tell = pair[1];
    if (maker < 0) return fail(failure, "clone3", "for a network namespace");
    while (waitpid((pid_t)maker, NULL, 0) < 0 && errno == EINTR) {
    }
    if (fcntl(hear, F_SETFL, O_NONBLOCK) || read(hear, said, sizeof said) != sizeof said || said[0] != 0)
        return fail_with(failure, said[0], "unshare", "the network of a user namespace");
    return said[1];
}

int owned_network_enter(const struct operation *op, struct failure *failure) {
    before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (before < 0) return fail(failure, "open", "/proc/self/ns/net");
    owner = open_owner(op, failure);
    AUTO_FD network = owner < 0 ? -1 : open_network(failure);
    if (network < 0) return -1;
    return setns(network, CLONE_NEWNET) ? fail(failure, "setns", "the network of a user namespace") : 0;
}

int owned_network_leave(struct failure *failure) {
    if (before < 0) return 0;
    int left = setns(before, CLONE_NEWNET);
    if (left) fail(failure, "setns", "back to the own network");
    close(before);
    close(owner);
    before = owner = -1;
    return left;
}

int owned_network_show(int root, const struct operation *op, struct failure *failure) {
    char from[64] = "/proc/self/fd/", to[64] = "/proc/self/fd/";
    AUTO_FD target = root_make_target(root, op->f[3].s, 0, 0600);
    if (target < 0) return fail(failure, "make", op->f[3].s);
    append_number(from, sizeof from, (uint64_t)owner);
    append_number(to, sizeof to, (uint64_t)target);
    return mount(from, to, NULL, MS_BIND, NULL) ? fail(failure, "mount", op->f[3].s) : 0;
}
