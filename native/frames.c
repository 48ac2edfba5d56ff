#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "task.h"

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void send_frame(int fd, uint8_t kind, const void *body, uint32_t size) {
    uint8_t frame[FRAME_HEAD_BYTES + 512] = {kind};
    if (size > sizeof frame - FRAME_HEAD_BYTES) size = sizeof frame - FRAME_HEAD_BYTES;
    uint32_t length = htobe32(size);
    memcpy(frame + 4, &length, sizeof length);
    if (size) memcpy(frame + FRAME_HEAD_BYTES, body, size);
    for (size_t at = 0; at < FRAME_HEAD_BYTES + size;) {
        ssize_t sent = send(fd, frame + at, FRAME_HEAD_BYTES + size - at, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return;
        at += (size_t)sent;
    }
}

void send_failure(int fd, uint8_t kind, const struct failure *failure) {
    struct {
        uint16_t index, code;
        uint32_t error;
        char detail[FAILURE_DETAIL];
    } body = {htobe16(failure->index), htobe16(failure->code), htobe32((uint32_t)failure->error), {0}};
    size_t length = strnlen(failure->detail, FAILURE_DETAIL);
    memcpy(body.detail, failure->detail, length);
    send_frame(fd, kind, &body, 8 + (uint32_t)length);
}

void send_state(int fd, const struct task *task) {
    const struct operation *stdio = NULL;
    for (uint16_t i = 0; i < task->plan->count; i++)
        if (task->plan->operations[i].code == OP_STDIO) stdio = &task->plan->operations[i];
    struct {
        uint32_t version, shim, pid;
        uint8_t phase, terminal;
    } __attribute__((packed)) body = {htobe32(PROTOCOL_VERSION), htobe32((uint32_t)getpid()), htobe32((uint32_t)task->pid),
                                      task->phase, stdio && stdio->f[0].u};
    send_frame(fd, FRAME_STATE, &body, sizeof body);
}
