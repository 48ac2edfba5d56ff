#include <endian.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../task.h"
#include "check.h"

static int pair[2];
static uint8_t received[2048];

static void begin(void) {
    CHECK_NUMBER(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

/* One frame; returns the size of its body, which is in `received` behind the head. */
static uint32_t receive(uint8_t kind) {
    uint32_t size;
    CHECK_NUMBER(recv(pair[1], received, FRAME_HEAD_BYTES, MSG_WAITALL), FRAME_HEAD_BYTES);
    CHECK_NUMBER(received[0], kind);
    CHECK_NUMBER(received[1] | received[2] | received[3], 0);
    memcpy(&size, received + 4, sizeof size);
    size = be32toh(size);
    CHECK(size <= sizeof received - FRAME_HEAD_BYTES);
    CHECK_NUMBER(recv(pair[1], received + FRAME_HEAD_BYTES, size, MSG_WAITALL), size);
    return size;
}

static uint32_t body32(size_t at) {
    uint32_t value;
    memcpy(&value, received + FRAME_HEAD_BYTES + at, sizeof value);
    return be32toh(value);
}

TEST(frames_with_and_without_a_body) {
    begin();
    send_frame(pair[0], FRAME_SUBSCRIBED, NULL, 0);
    send_frame(pair[0], FRAME_DONE, "\0\0\0\7", 4);
    CHECK_NUMBER(receive(FRAME_SUBSCRIBED), 0);
    CHECK_NUMBER(receive(FRAME_DONE), 4);
    CHECK_NUMBER(body32(0), 7);
}

TEST(frames_longer_than_any_are_cut) {
    static const char body[4096];
    begin();
    send_frame(pair[0], FRAME_FAILED, body, sizeof body);
    CHECK_NUMBER(receive(FRAME_FAILED), 512);
}

TEST(frames_of_a_failure) {
    struct failure failure = {.index = 3, .code = OP_BIND};
    begin();
    fail_with(&failure, 2, "bind source", "/no/such");
    send_failure(pair[0], FRAME_FAILED, &failure);
    CHECK_NUMBER(receive(FRAME_FAILED), 8 + strlen("bind source /no/such"));
    CHECK_NUMBER(body32(0), 3 << 16 | OP_BIND);
    CHECK_NUMBER(body32(4), 2);
    CHECK(memcmp(received + FRAME_HEAD_BYTES + 8, "bind source /no/such", 20) == 0);
}

TEST(frames_of_a_failure_with_the_longest_detail) {
    static char long_name[1000];
    struct failure failure = {.index = UINT16_MAX};
    begin();
    memset(long_name, 'x', sizeof long_name - 1);
    fail_with(&failure, -1, "open", long_name);
    CHECK_NUMBER(strlen(failure.detail), FAILURE_DETAIL - 1);
    send_failure(pair[0], FRAME_WARNING, &failure);
    CHECK_NUMBER(receive(FRAME_WARNING), 8 + FAILURE_DETAIL - 1);
    /* Not terminated at all, as from a process that was overwritten: still no byte behind it is read. */
    memset(failure.detail, 'y', sizeof failure.detail);
    send_failure(pair[0], FRAME_WARNING, &failure);
    CHECK_NUMBER(receive(FRAME_WARNING), 8 + FAILURE_DETAIL);
}

TEST(frames_of_the_state) {
    static struct plan plan = {.count = 1, .operations = {{.code = OP_STDIO, .f = {{.u = 1}}}}};
    const struct task task = {.plan = &plan, .pid = 0x01020304, .phase = TASK_RUNNING};
    begin();
    send_state(pair[0], &task);
    CHECK_NUMBER(receive(FRAME_STATE), 14);
    CHECK_NUMBER(body32(0), PROTOCOL_VERSION);
    CHECK_NUMBER(body32(4), getpid());
    CHECK_NUMBER(body32(8), 0x01020304);
    CHECK_NUMBER(received[FRAME_HEAD_BYTES + 12], TASK_RUNNING);
    CHECK_NUMBER(received[FRAME_HEAD_BYTES + 13], 1);
}

TEST(frames_to_a_vanished_reader_do_no_harm) {
    begin();
    close(pair[1]);
    send_frame(pair[0], FRAME_DONE, "\0\0\0\0", 4);
}

TEST(frames_numbers_and_texts_of_failures) {
    char text[8] = "";
    append_number(text, sizeof text, 0);
    append_text(text, sizeof text, "ab");
    CHECK_TEXT(text, "0ab");
    append_number(text, sizeof text, UINT64_MAX);
    CHECK_TEXT(text, "0ab1844");
    append_text(text, sizeof text, "more");
    CHECK_TEXT(text, "0ab1844");
}
