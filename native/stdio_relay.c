#include "stdio_relay.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "logfile.h"

#define OUTPUT_BYTES 65536
#define INPUT_BYTES 65536
/* As much as a terminal could hold, and more. */
#define TERMINAL_BYTES (1 << 20)

static struct task *task;
/* bytes for the process's stdin that its pipe did not take yet */
static char input[INPUT_BYTES];
static uint32_t input_at, input_size;
static uint8_t input_closing;
/* one frame head and the bytes read */
static char output[FRAME_HEAD_BYTES + OUTPUT_BYTES];

void stdio_begin(struct task *served) {
    task = served;
}

/* Read once from a stream and pass it on. Returns bytes read, 0 at the end, -1 when there is nothing now. */
static ssize_t pump(int fd, int stream, int terminal) {
    ssize_t got = read(fd, output + FRAME_HEAD_BYTES, OUTPUT_BYTES);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? -1 : 0;
    if (got == 0) return 0;
    uint32_t length = htobe32((uint32_t)got);
    memset(output, 0, 4);
    output[0] = (char)(stream + 1);
    memcpy(output + 4, &length, sizeof length);
    uint8_t bit = stream == LOG_STDOUT ? MASK_STDOUT : MASK_STDERR;
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
        struct connection *connection = &connections[i];
        if (connection->fd < 0 || !connection->attached || !(connection->mask & bit)) continue;
        if (terminal) connection_give(connection, output + FRAME_HEAD_BYTES, (size_t)got);
        else connection_give(connection, output, FRAME_HEAD_BYTES + (size_t)got);
    }
    logfile_append(stream, output + FRAME_HEAD_BYTES, (size_t)got);
    return got;
}

void stdio_pump(int *fd, int stream, int terminal) {
    if (*fd < 0 || pump(*fd, stream, terminal) != 0) return;
    close(*fd);
    *fd = -1;
}

int stdio_input(void) {
    return task->master >= 0 ? task->master : task->input;
}

int stdio_input_waits(void) {
    return input_size > 0;
}

static void close_stdin(void) {
    /* A terminal's end of file is a key, not a close. */
    if (task->input >= 0) close(task->input);
    task->input = -1;
    input_size = 0;
}

void stdio_give_input(void) {
    while (input_size > 0 && stdio_input() >= 0) {
        ssize_t written = write(stdio_input(), input + input_at, input_size);
        if (written < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (written < 0) {
            close_stdin();
            return;
        }
        input_at += (uint32_t)written;
        input_size -= (uint32_t)written;
    }
    input_at = 0;
    if (input_closing && input_size == 0) close_stdin();
}

void stdio_end_input(void) {
    if (!task->stdin_once) return;
    input_closing = 1;
    stdio_give_input();
}

void stdio_take_input(struct connection *connection) {
    if (input_size > 0) return;
    ssize_t got = recv(connection->fd, input, sizeof input, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) {
        connection_drop(connection);
        return;
    }
    if (got == 0) {
        connection->input_ended = 1;
        if (connection->mask & MASK_STDIN) stdio_end_input();
        return;
    }
    if (!(connection->mask & MASK_STDIN) || stdio_input() < 0) return;
    input_at = 0;
    input_size = (uint32_t)got;
    stdio_give_input();
}

/*
 * At most what the stream can have held at the end of the process: who still has it open and goes on writing (a
 * background process of an exec, say) must not keep the shim here for ever.
 */
static void drain(int *fd, int stream, int terminal) {
    int size = *fd < 0 || terminal ? TERMINAL_BYTES : fcntl(*fd, F_GETPIPE_SZ);
    ssize_t got;
    for (ssize_t left = size < 0 ? OUTPUT_BYTES : size; *fd >= 0 && left > 0; left -= got)
        if ((got = pump(*fd, stream, terminal)) <= 0) break;
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

void stdio_finish(void) {
    drain(&task->master, LOG_STDOUT, 1);
    drain(&task->output[0], LOG_STDOUT, 0);
    drain(&task->output[1], LOG_STDERR, 0);
    close_stdin();
    logfile_finish();
}
