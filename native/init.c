#include "init.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "gantry-init"

/* End with what the program ended with, as a shell would tell it. */
static void end_with(int status) {
    _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static _Noreturn void serve(pid_t program, const sigset_t *all) {
    for (;;) {
        int number = sigwaitinfo(all, NULL);
        if (number < 0) continue;
        if (number != SIGCHLD) {
            kill(program, number);
            continue;
        }
        /* One signal may stand for many ends. */
        int status;
        pid_t pid;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
            if (pid == program) end_with(status);
    }
}

/* Nothing of the shim stays open or readable in a process that the container's users can look at. */
static void shed(char *title, size_t size) {
    close_range(3, ~0u, 0);
    prctl(PR_SET_NAME, NAME, 0, 0, 0);
    if (size <= sizeof NAME) return;
    memset(title, 0, size);
    memcpy(title, NAME, sizeof NAME);
}

int init_split(char *title, size_t size, struct failure *failure) {
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    /* Before the fork: a signal in between waits for whoever is to get it. */
    sigprocmask(SIG_SETMASK, &all, NULL);
    pid_t program = fork();
    if (program < 0) return fail(failure, "fork", "the program from its init");
    if (program > 0) {
        /* In a pid namespace of others orphans would go past this process. */
        if (getpid() != 1) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        shed(title, size);
        serve(program, &all);
    }
    /* A group of its own, in the foreground of the terminal, so that keys reach the program alone. */
    setpgid(0, 0);
    if (isatty(STDIN_FILENO)) (void)tcsetpgrp(STDIN_FILENO, getpid());
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)) return fail(failure, "prctl", "PR_SET_PDEATHSIG");
    sigprocmask(SIG_SETMASK, &none, NULL);
    return 0;
}
