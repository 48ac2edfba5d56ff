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

#define TEMPORARY "exit.tmp"
#define RECORD_BYTES 256

int exit_record_reserve(struct task *task) {
    static const char zeros[RECORD_BYTES];
    task->record = openat(task->folder, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (task->record < 0) return -1;
    return write(task->record, zeros, sizeof zeros) == (ssize_t)sizeof zeros ? 0 : -1;
}

int exit_record_write(const struct task *task) {
    char text[RECORD_BYTES] = "";
    put(text, sizeof text, "exit", task->exit_code);
    put(text, sizeof text, "signal", task->signal);
    put(text, sizeof text, "oom", task->oom);
    put(text, sizeof text, "started", task->started_ns);
    put(text, sizeof text, "ended", task->ended_ns);
    ssize_t length = (ssize_t)strlen(text);
    if (pwrite(task->record, text, (size_t)length, 0) != length || ftruncate(task->record, length)) return -1;
    return renameat(task->folder, TEMPORARY, task->folder, "exit") ? -1 : task->record;
}

void exit_record_sync(const struct task *task, int record) {
    if (record < 0) return;
    fsync(record);
    fsync(task->folder);
    close(record);
}
