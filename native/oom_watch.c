#include "oom_watch.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "failure.h"

#define UNREADABLE UINT64_MAX

static struct {
    const struct operation *op;
    int is_legacy, descriptor;
    /* kills in the group when the task began, and as many as are known of now */
    uint64_t before, known;
    /* kills in the group above (which counts this one's too, in version 2) when this group was last looked at while the process ran */
    uint64_t above;
} watch = {.descriptor = -1, .above = UNREADABLE};

/* "oom_kill N" in memory.events of version 2 and in memory.oom_control of version 1 alike. */
static uint64_t kills_in(const char *file) {
    char text[1024];
    AUTO_FD fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (got < 0) return UNREADABLE;
    text[got] = 0;
    for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, "oom_kill ", 9) == 0) return strtoull(line + 9, NULL, 10);
    return 0;
}

/* The path of a file so many folders above the watched one. -1 where there is none. */
static int path_above(int levels, const char *name, char *path, uint32_t size) {
    if (watch.op->f[0].n >= size) return -1;
    memcpy(path, watch.op->f[0].s, watch.op->f[0].n + 1);
    for (int i = 0; i <= levels; i++) {
        char *slash = strrchr(path, '/');
        if (!slash) return -1;
        *slash = 0;
    }
    append_text(path, size, "/");
    append_text(path, size, name);
    return 0;
}

static uint64_t kills_above(void) {
    char path[PATH_MAX];
    return watch.is_legacy || path_above(1, "memory.events", path, sizeof path) ? UNREADABLE : kills_in(path);
}

/* Kills in the group, or UNREADABLE when it has gone. */
static uint64_t look(void) {
    uint64_t kills = kills_in(watch.op->f[0].s);
    if (kills == UNREADABLE) return kills;
    if (kills > watch.known) watch.known = kills;
    watch.above = kills_above();
    return kills;
}

void oom_watch_begin(const struct operation *op) {
    watch.op = op;
    watch.is_legacy = op->f[1].u == 1;
    uint64_t kills = kills_in(op->f[0].s);
    watch.before = watch.known = kills == UNREADABLE ? 0 : kills;
}

static int legacy_notice(void) {
    char path[PATH_MAX], line[32] = "";
    if (path_above(0, "cgroup.event_control", path, sizeof path)) return -1;
    AUTO_FD watched = open(watch.op->f[0].s, O_RDONLY | O_CLOEXEC);
    AUTO_FD registry = open(path, O_WRONLY | O_CLOEXEC);
    if (watched < 0 || registry < 0) return -1;
    int notice = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (notice < 0) return -1;
    append_number(line, sizeof line, (uint64_t)notice);
    append_text(line, sizeof line, " ");
    append_number(line, sizeof line, (uint64_t)watched);
    if (write(registry, line, strlen(line)) > 0) return notice;
    close(notice);
    return -1;
}

static void hear(void) {
    char text[1024];
    /* Later changes of a file are those after what was read from its beginning. */
    if (!watch.is_legacy) lseek(watch.descriptor, 0, SEEK_SET);
    (void)!read(watch.descriptor, text, sizeof text);
}

void oom_watch_arm(void) {
    if (!watch.op) return;
    watch.descriptor = watch.is_legacy ? legacy_notice() : open(watch.op->f[0].s, O_RDONLY | O_CLOEXEC);
    if (watch.descriptor < 0) return;
    if (!watch.is_legacy) hear();
    look();
}

int oom_watch_descriptor(short *events) {
    *events = watch.is_legacy ? POLLIN : POLLPRI;
    return watch.descriptor;
}

int oom_watch_take(void) {
    uint64_t known = watch.known;
    if (watch.descriptor < 0) return 0;
    hear();
    look();
    /* Version 1 tells before anybody is killed, and also where nobody is; version 2 of other things than lost memory too. */
    return watch.is_legacy || watch.known > known;
}

int oom_watch_end(int is_killed) {
    if (!watch.op) return 0;
    if (watch.descriptor >= 0) close(watch.descriptor);
    watch.descriptor = -1;
    if (look() != UNREADABLE || watch.known > watch.before) return watch.known > watch.before;
    /* systemd(1) has removed the group since its last process died. The group above outlives it, and has its counts. */
    uint64_t above = kills_above();
    return is_killed && watch.above != UNREADABLE && above != UNREADABLE && above > watch.above;
}
