#include "cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

#define MAX_FOLDERS 64

/* Paths point into the plan, which lives as long as the shim. */
static struct {
    const char *path;
} made[MAX_FOLDERS];
static size_t made_count;

static int make_parents(char *path) {
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != 0) continue;
        char end = *at;
        *at = 0;
        if (mkdir(path, 0755) && errno != EEXIST) return -1;
        *at = end;
        if (end == 0) return 0;
    }
}

int cgroup_create(const struct operation *op, struct failure *failure) {
    char path[PATH_MAX];
    if (op->f[0].n >= sizeof path || op->f[0].s[0] != '/' || made_count == MAX_FOLDERS)
        return fail_with(failure, EINVAL, "cgroup", op->f[0].s);
    memcpy(path, op->f[0].s, op->f[0].n + 1);
    if (mkdir(path, 0755)) {
        if (errno == EEXIST) return 0;
        if (errno != ENOENT || make_parents(path)) return fail(failure, "mkdir cgroup", op->f[0].s);
    }
    /* Parents are shared with other containers and stay. */
    made[made_count++].path = op->f[0].s;
    return 0;
}

static ssize_t read_whole(int folder, const char *path, char *buffer, size_t size) {
    AUTO_FD fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t got = read(fd, buffer, size - 1);
    buffer[got > 0 ? got : 0] = 0;
    return got;
}

static void kill_members(const char *path) {
    static char text[16384];
    AUTO_FD folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    /* Of version 2 since Linux 5.14: all at once, those below too, and never a process that has got the id of another. */
    AUTO_FD kill_file = openat(folder, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    if (kill_file >= 0 && write(kill_file, "1", 1) == 1) return;
    if (read_whole(folder, "cgroup.procs", text, sizeof text) <= 0) return;
    for (char *at = text; *at;) {
        long pid = strtol(at, &at, 10);
        if (pid > 1) kill((pid_t)pid, SIGKILL);
        while (*at == '\n') at++;
    }
}

void cgroup_kill_all(void) {
    /* The last ones first: there the hierarchy of version 2 is, where there is one. */
    for (size_t i = made_count; i-- > 0;) kill_members(made[i].path);
}

void cgroup_remove_all(void) {
    const struct timespec pause = {.tv_nsec = 1000000};
    while (made_count > 0) {
        const char *path = made[--made_count].path;
        /* A member killed just now leaves when it is scheduled; the kernel has no event for this on version 1. */
        for (int attempt = 0; attempt < 1000 && rmdir(path) && errno == EBUSY; attempt++) {
            kill_members(path);
            while (waitpid(-1, NULL, WNOHANG) > 0) {
            }
            nanosleep(&pause, NULL);
        }
    }
}
