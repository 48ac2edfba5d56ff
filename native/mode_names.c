/*
 * gantry-shim names SOCKET VERSION: the name server's sockets inside containers' network namespaces, which the daemon cannot
 * open itself. Questions are passed to the daemon as they are, its answers back; and servers that a container was given
 * are asked from where it is. The sockets outlive the daemon: while it is away questions wait in them, and the next
 * daemon answers. Ends when it has no sockets and no daemon.
 *
 * The daemon connects to SOCKET; the newest connection is the daemon. Frames in both directions: length u32 of what
 * follows, kind u8, key u64 (one per namespace, the daemon's choice), body. All numbers are little-endian. Kinds that are
 * not known are passed over. VERSION is the daemon's word for what is spoken here: a daemon of another build learns by it
 * that it has to start a helper of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "modes.h"
#include "names_places.h"
#include "names_upstream.h"

enum kind {
    BEGIN = 1,  /* every place is doubtful until it is opened again */
    END = 2,    /* close the doubtful ones */
    OPEN = 3,   /* port u16, path of the namespace; answered by OPEN with errno u32 */
    CLOSE = 4,
    ANSWER = 5, /* token u64, message */
    QUESTION = 6, /* token u64, message */
    ASK = 7,    /* token u64, server and message as in names_upstream.h; answered by any number of REPLY */
    REPLY = 8,  /* token u64, what arrived; empty when no more will */
    FORGET = 9, /* token u64: no more replies to it are wanted */
    VERSION = 10, /* answered by VERSION with the word that the process was started with */
};

#define HEAD_BYTES 13
#define TOKEN_BYTES 8
#define MAX_VERSION 64

static int listener, control, work, daemon_fd = -1;
static const char *version;
static uint8_t incoming[HEAD_BYTES + TOKEN_BYTES + NAMES_MAX_MESSAGE];
static uint32_t incoming_size;
static uint8_t outgoing[HEAD_BYTES + TOKEN_BYTES + NAMES_MAX_MESSAGE];

static void leave_daemon(void) {
    if (daemon_fd < 0) return;
    upstreams_forget_all();
    (void)epoll_ctl(control, EPOLL_CTL_DEL, work, NULL);
    close(daemon_fd);
    daemon_fd = -1;
    incoming_size = 0;
}

/* `body` has been put behind the head already. */
static void tell_daemon(enum kind kind, uint64_t key, uint32_t body_size) {
    uint32_t length = HEAD_BYTES - 4 + body_size;
    memcpy(outgoing, &length, 4);
    outgoing[4] = (uint8_t)kind;
    memcpy(outgoing + 5, &key, 8);
    for (uint32_t at = 0; at < length + 4;) {
        ssize_t put = send(daemon_fd, outgoing + at, length + 4 - at, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) {
            leave_daemon();
            return;
        }
        at += (uint32_t)put;
    }
}

/* The same of a message with a token, which has been put behind both already. */
static void tell_with_token(enum kind kind, uint64_t key, uint64_t token, uint32_t size) {
    memcpy(outgoing + HEAD_BYTES, &token, TOKEN_BYTES);
    tell_daemon(kind, key, TOKEN_BYTES + size);
}

static int pass_question(uint64_t key, uint64_t token, const uint8_t *message, uint32_t size) {
    memcpy(outgoing + HEAD_BYTES + TOKEN_BYTES, message, size);
    tell_with_token(QUESTION, key, token, size);
    return daemon_fd >= 0;
}

static void ask_upstream(uint64_t key, uint64_t token, const uint8_t *body, uint32_t size) {
    int failed = 1;
    if (place_enter(key) == 0) {
        failed = upstream_ask(key, token, body, size, work, SOURCE_UPSTREAM);
        place_leave();
    }
    if (failed) tell_with_token(REPLY, key, token, 0);
}

static void read_upstream(uint32_t number) {
    uint64_t key, token;
    ssize_t got = upstream_follow(number, outgoing + HEAD_BYTES + TOKEN_BYTES, NAMES_MAX_MESSAGE, &key, &token);
    if (got >= 0) tell_with_token(REPLY, key, token, (uint32_t)got);
}

static void obey_about_place(enum kind kind, uint64_t key, const uint8_t *body, uint32_t size) {
    if (kind == CLOSE) {
        place_close(key);
        return;
    }
    if (size < 4 || body[size - 1] != 0) return;
    uint16_t port;
    memcpy(&port, body, 2);
    uint32_t error = place_open(key, port, (const char *)body + 2);
    memcpy(outgoing + HEAD_BYTES, &error, 4);
    tell_daemon(OPEN, key, 4);
}

static void obey_with_token(enum kind kind, uint64_t key, const uint8_t *body, uint32_t size) {
    uint64_t token;
    if (size < TOKEN_BYTES) return;
    memcpy(&token, body, TOKEN_BYTES);
    if (kind == ANSWER) place_answer(key, token, body + TOKEN_BYTES, size - TOKEN_BYTES);
    else if (kind == ASK) ask_upstream(key, token, body + TOKEN_BYTES, size - TOKEN_BYTES);
    else upstream_forget(token);
}

static void obey(const uint8_t *frame, uint32_t size) {
    uint64_t key;
    memcpy(&key, frame + 1, 8);
    const uint8_t *body = frame + 9;
    uint32_t body_size = size - 9;
    switch (frame[0]) {
    case BEGIN: places_doubt(); break;
    case END: places_close_doubtful(); break;
    case OPEN:
    case CLOSE: obey_about_place(frame[0], key, body, body_size); break;
    case ANSWER:
    case ASK:
    case FORGET: obey_with_token(frame[0], key, body, body_size); break;
    case VERSION:
        memcpy(outgoing + HEAD_BYTES, version, strlen(version));
        tell_daemon(VERSION, key, (uint32_t)strlen(version));
        break;
    }
}

static void read_daemon(void) {
    ssize_t got = recv(daemon_fd, incoming + incoming_size, sizeof incoming - incoming_size, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        leave_daemon();
        return;
    }
    incoming_size += (uint32_t)got;
    uint32_t at = 0;
    while (daemon_fd >= 0 && incoming_size - at >= 4) {
        uint32_t length;
        memcpy(&length, incoming + at, 4);
        if (length < 9 || length > sizeof incoming - 4) {
            leave_daemon();
            return;
        }
        if (incoming_size - at < 4 + length) break;
        obey(incoming + at + 4, length);
        at += 4 + length;
    }
    if (daemon_fd < 0) return;
    incoming_size -= at;
    memmove(incoming, incoming + at, incoming_size);
}

static void accept_daemon(void) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    leave_daemon();
    daemon_fd = fd;
    if (names_watch(control, fd, SOURCE_DAEMON, 0) || names_watch(control, work, SOURCE_WORK, 0)) leave_daemon();
}

static int listen_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return -1;
    strcpy(address.sun_path, path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    umask(0177);
    unlink(path);
    return listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4) ? -1 : 0;
}

static void work_off(void) {
    struct epoll_event events[64];
    int count = epoll_wait(work, events, 64, 0);
    for (int i = 0; i < count && daemon_fd >= 0; i++) {
        uint32_t number = (uint32_t)events[i].data.u64;
        enum names_source source = (enum names_source)(events[i].data.u64 >> 32);
        if (source == SOURCE_UPSTREAM) read_upstream(number);
        else places_follow(source, number);
    }
}

int mode_names(int argc, char **argv) {
    if (argc != 3 || strlen(argv[2]) > MAX_VERSION) return 2;
    version = argv[2];
    setsid();
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    prctl(PR_SET_NAME, "gantry-names", 0, 0, 0);
    upstreams_init();
    control = epoll_create1(EPOLL_CLOEXEC);
    work = epoll_create1(EPOLL_CLOEXEC);
    if (control < 0 || work < 0 || places_init(work, pass_question) || listen_at(argv[1])) return 3;
    if (names_watch(control, listener, SOURCE_LISTENER, 0)) return 3;
    /* Whoever started this waits for a byte, and connects then. */
    (void)!write(STDOUT_FILENO, "\n", 1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) (void)dup2(null, STDOUT_FILENO);
    int had_daemon = 0;
    while (daemon_fd >= 0 || places_count() > 0 || !had_daemon) {
        struct epoll_event event;
        if (epoll_wait(control, &event, 1, -1) < 1) continue;
        switch ((enum names_source)(event.data.u64 >> 32)) {
        case SOURCE_LISTENER: accept_daemon(); had_daemon = 1; break;
        case SOURCE_DAEMON: read_daemon(); break;
        default: work_off(); break;
        }
    }
    unlink(argv[1]);
    return 0;
}
