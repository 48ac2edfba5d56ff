/*
 * gantry-shim rootless-wait PID
 * gantry-shim rootless FOLDER UIDS GIDS RESOLV_CONF NETWORK NETWORK_PROGRAM PROGRAM [ARG]...
 *
 * Become PROGRAM as root of the user namespace of an ordinary user's engine (rootless.h), which is made when it is not
 * there yet. On failure one line on stderr says why; exit code 1.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "modes.h"
#include "rootless.h"

/* rootless-wait PID: be the parent of a daemon in the namespaces, pass signals on to it, and end as it ends. */
int mode_rootless_wait(int argc, char **argv) {
    sigset_t signals;
    int status = 0, signal = 0;
    pid_t pid = argc == 2 ? atoi(argv[1]) : 0;
    if (pid <= 0) return 2;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    /* It may have ended before they were blocked. */
    while (waitpid(pid, &status, WNOHANG) == 0)
        if (sigwait(&signals, &signal) == 0 && signal != SIGCHLD) kill(pid, signal);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int mode_rootless(int argc, char **argv) {
    struct failure failure = {0};
    if (argc < 8) {
        fputs("usage: gantry-shim rootless FOLDER UIDS GIDS RESOLV_CONF NETWORK NETWORK_PROGRAM PROGRAM [ARG]...\n", stderr);
        return 2;
    }
    const struct rootless rootless = {
        .folder = argv[1],
        .uids = argv[2],
        .gids = argv[3],
        .resolv_conf = argv[4],
        .network = argv[5],
        .network_program = argv[6],
    };
    if (rootless_enter(&rootless, &failure) == 0) {
        execv(argv[7], argv + 7);
        fail(&failure, "exec", argv[7]);
    }
    fprintf(stderr, "gantry daemon: rootless: %s: %s\n", failure.detail, strerror(failure.error));
    return 1;
}
