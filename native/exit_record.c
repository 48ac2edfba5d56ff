#include "exit_record.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void put(char *text, uint32_t size, const char *name, uint64_t value) {
    append_text(text, size, name);
    append_text(text, size, " ");
    append_number(text, size, value);
    append_text(text, size, "\n");
}

int exit_record_write(const struct task *task) {
    char text[256] = "";
    put(text, sizeof text, "exit", task->exit_code);
    put(text, sizeof text, "signal", task->signal);
    put(text, sizeof text, "oom", task->oom);
    put(text, sizeof text, "started", task->started_ns);
    put(text, sizeof text, "ended", task->ended_ns);
    int fd = openat(task->folder, "exit.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return -1;
    if (write(fd, text, strlen(text)) == (ssize_t)strlen(text) && renameat(task->folder, "exit.tmp", task->folder, "exit") == 0)
        return fd;
    close(fd);
    return -1;
}

void exit_record_sync(const struct task *task, int record) {
    if (record < 0) return;
    fsync(record);
    fsync(task->folder);
    close(record);
}
