#include "hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

#define MAX_WORDS 256
#define PID_DIGITS 10

/* The strings of a list as execve(2) takes them; they are not written to. */
static int words_of(const struct field *list, char **words) {
    const char *cursor = list->s;
    if (list->n >= MAX_WORDS) return -1;
    for (uint32_t i = 0; i < list->n; i++) {
        const char *word = plan_list_next(&cursor);
        memcpy(&words[i], &word, sizeof word);
    }
    words[list->n] = NULL;
    return 0;
}

/* The state as a file in memory, with the id of this process where blanks were left for it. */
static int state_file(const struct operation *op) {
    char digits[24] = "";
    append_number(digits, sizeof digits, (uint64_t)getpid());
    size_t length = strlen(digits);
    if (op->f[5].u > op->f[4].n || op->f[4].n - op->f[5].u < PID_DIGITS || length > PID_DIGITS) {
        errno = EINVAL;
        return -1;
    }
    int fd = (int)syscall(SYS_memfd_create, "state", MFD_CLOEXEC);
    if (fd < 0) return -1;
    if (write(fd, op->f[4].s, op->f[4].n) == (ssize_t)op->f[4].n &&
        pwrite(fd, digits, length, (off_t)op->f[5].u) == (ssize_t)length && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    close(fd);
    return -1;
}

static _Noreturn void become(const struct operation *op, int input, int complaints) {
    static char *arguments[MAX_WORDS], *environment[MAX_WORDS];
    if (words_of(&op->f[1], arguments) || words_of(&op->f[2], environment)) _exit(126);
    if (dup2(input, 0) < 0 || dup2(complaints, 1) < 0 || dup2(complaints, 2) < 0) _exit(126);
    close_range(3, ~0u, 0);
    execve(op->f[0].s, arguments, environment);
    static const char words[] = "cannot be executed";
    (void)!write(2, words, sizeof words - 1);
    _exit(127);
}

/* Wait for the end; SIGKILL after `seconds`, if there is a limit. Returns the status of waitpid(2), or -1 when late. */
static int await_end(pid_t pid, uint64_t seconds) {
    int status = 0;
    AUTO_FD handle = seconds ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    struct pollfd watched = {.fd = handle, .events = POLLIN};
    int late = seconds && handle >= 0 && poll(&watched, 1, (int)(seconds > 86400 ? 86400 : seconds) * 1000) == 0;
    if (late) kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return late ? -1 : status;
}

static int refuse(const struct operation *op, int status, int complaints, struct failure *failure) {
    char detail[FAILURE_DETAIL] = "";
    append_text(detail, sizeof detail, op->f[0].s);
    if (status < 0) append_text(detail, sizeof detail, " took longer than its timeout");
    else if (WIFSIGNALED(status)) append_text(detail, sizeof detail, " was killed by a signal");
    else {
        append_text(detail, sizeof detail, " ended with exit status ");
        append_number(detail, sizeof detail, (uint64_t)WEXITSTATUS(status));
    }
    char words[128];
    ssize_t got = pread(complaints, words, sizeof words - 1, 0);
    if (got > 0) {
        words[got] = 0;
        append_text(detail, sizeof detail, ": ");
        append_text(detail, sizeof detail, words);
    }
    return fail_with(failure, ECANCELED, "hook", detail);
}

int hook_run(const struct operation *op, struct failure *failure) {
    AUTO_FD state = state_file(op);
    AUTO_FD complaints = (int)syscall(SYS_memfd_create, "complaints", MFD_CLOEXEC);
    if (state < 0 || complaints < 0) return fail(failure, "hook", op->f[0].s);
    pid_t pid = fork();
    if (pid < 0) return fail(failure, "fork for the hook", op->f[0].s);
    if (pid == 0) become(op, state, complaints);
    int status = await_end(pid, op->f[3].u);
    return status == 0 ? 0 : refuse(op, status, complaints, failure);
}
