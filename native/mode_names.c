/*
 * gantry-shim names SOCKET: the name server's sockets inside containers' network namespaces, which the daemon cannot
 * open itself. Questions are passed to the daemon as they are, its answers back; and servers that a container was given
 * are asked from where it is. The sockets outlive the daemon: while it is away questions wait in them, and the next
 * daemon answers. Ends when it has no sockets and no daemon.
 *
 * The daemon connects to SOCKET; the newest connection is the daemon. Frames in both directions: length u32 of what
 * follows, kind u8, key u64 (one per namespace, the daemon's choice), body. All numbers are little-endian.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "modes.h"
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
};

#define MAX_PLACES 8192
#define MAX_CONNECTIONS 128
#define MAX_QUESTION 4096
#define MAX_MESSAGE 65535
#define HEAD_BYTES 13
#define TOKEN_BYTES 8
#define LOOPBACK 0x7f00000bu /* 127.0.0.11 */

/* One container's namespace. A free place has the descriptor -1. */
struct place {
    uint64_t key;
    int udp, tcp, namespace;
    uint32_t generation;
    uint8_t doubtful;
};

/* A client of TCP: its question so far, behind two bytes of length. */
struct connection {
    int fd;
    uint32_t place, generation;
    /* counts connections, so that a late answer does not go to the next client */
    uint32_t number;
    uint64_t last_used;
    uint32_t size;
    uint8_t question[2 + MAX_QUESTION];
};

enum source { SOURCE_LISTENER, SOURCE_DAEMON, SOURCE_WORK, SOURCE_UDP, SOURCE_TCP, SOURCE_CONNECTION, SOURCE_UPSTREAM };

static struct place places[MAX_PLACES];
static uint32_t places_end, places_used;
static struct connection connections[MAX_CONNECTIONS];
static uint64_t clock_ticks;
static uint32_t generations, accepted;
static int home_namespace, listener, control, work, daemon_fd = -1;
static uint8_t incoming[HEAD_BYTES + TOKEN_BYTES + MAX_MESSAGE];
static uint32_t incoming_size;
static uint8_t outgoing[HEAD_BYTES + TOKEN_BYTES + MAX_MESSAGE];

static int watch(int set, int fd, enum source source, uint32_t index) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)source << 32 | index};
    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

static void close_place(struct place *place) {
    if (place->udp < 0) return;
    upstreams_forget_key(place->key);
    close(place->udp);
    close(place->tcp);
    close(place->namespace);
    place->udp = place->tcp = place->namespace = -1;
    place->generation = ++generations;
    places_used--;
}

static struct place *find_place(uint64_t key) {
    for (uint32_t i = 0; i < places_end; i++)
        if (places[i].udp >= 0 && places[i].key == key) return &places[i];
    return NULL;
}

static struct place *free_place(void) {
    for (uint32_t i = 0; i < places_end; i++)
        if (places[i].udp < 0) return &places[i];
    return places_end < MAX_PLACES ? &places[places_end++] : NULL;
}

static int bound_socket(int type, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(LOOPBACK)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    if (fd < 0) return -1;
    if (type == SOCK_STREAM) (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || (type == SOCK_STREAM && listen(fd, 16))) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Sockets are made in a container's namespace; this process itself does not stay in it. */
static void return_home(void) {
    int saved = errno;
    if (setns(home_namespace, CLONE_NEWNET)) _exit(1);
    errno = saved;
}

static int open_sockets(int namespace, uint16_t port, int *udp, int *tcp) {
    if (setns(namespace, CLONE_NEWNET)) return -1;
    *udp = bound_socket(SOCK_DGRAM, port);
    *tcp = *udp < 0 ? -1 : bound_socket(SOCK_STREAM, port);
    return_home();
    int saved = errno;
    if (*tcp >= 0) return 0;
    if (*udp >= 0) close(*udp);
    errno = saved;
    return -1;
}

static uint32_t open_place(uint64_t key, uint16_t port, const char *path) {
    struct place *place = find_place(key);
    if (place) {
        place->doubtful = 0;
        return 0;
    }
    int udp, tcp;
    place = free_place();
    if (!place) return ENOSPC;
    place->udp = -1;
    AUTO_FD namespace = open(path, O_RDONLY | O_CLOEXEC);
    if (namespace < 0 || open_sockets(namespace, port, &udp, &tcp)) return (uint32_t)errno;
    *place = (struct place){.key = key, .udp = udp, .tcp = tcp, .namespace = namespace, .generation = ++generations};
    namespace = -1;
    places_used++;
    uint32_t index = (uint32_t)(place - places);
    if (watch(work, udp, SOURCE_UDP, index) || watch(work, tcp, SOURCE_TCP, index)) {
        uint32_t error = (uint32_t)errno;
        close_place(place);
        return error;
    }
    return 0;
}

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

static void ask(const struct place *place, uint64_t token, uint32_t size) {
    memcpy(outgoing + HEAD_BYTES, &token, TOKEN_BYTES);
    tell_daemon(QUESTION, place->key, TOKEN_BYTES + size);
}

static void read_udp(const struct place *place) {
    struct sockaddr_in from = {0};
    socklen_t from_size = sizeof from;
    ssize_t size = recvfrom(place->udp, outgoing + HEAD_BYTES + TOKEN_BYTES, MAX_MESSAGE, 0, (struct sockaddr *)&from, &from_size);
    if (size < 0 || from.sin_family != AF_INET) return;
    ask(place, (uint64_t)from.sin_port << 32 | from.sin_addr.s_addr, (uint32_t)size);
}

#define TOKEN_OF_TCP (1ull << 63)

static void drop_connection(struct connection *connection) {
    if (connection->fd >= 0) close(connection->fd);
    connection->fd = -1;
    connection->size = 0;
}

/* The one that has been silent longest makes room. */
static void accept_tcp(const struct place *place) {
    int fd = accept4(place->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    struct connection *chosen = &connections[0];
    for (uint32_t i = 0; i < MAX_CONNECTIONS; i++) {
        if (connections[i].fd < 0) {
            chosen = &connections[i];
            break;
        }
        if (connections[i].last_used < chosen->last_used) chosen = &connections[i];
    }
    drop_connection(chosen);
    chosen->fd = fd;
    chosen->place = (uint32_t)(place - places);
    chosen->generation = place->generation;
    chosen->last_used = ++clock_ticks;
    chosen->number = ++accepted;
    if (watch(work, fd, SOURCE_CONNECTION, (uint32_t)(chosen - connections))) drop_connection(chosen);
}

static void read_connection(struct connection *connection) {
    struct place *place = &places[connection->place];
    ssize_t got = recv(connection->fd, connection->question + connection->size, sizeof connection->question - connection->size, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0 || place->udp < 0 || place->generation != connection->generation) {
        drop_connection(connection);
        return;
    }
    connection->size += (uint32_t)got;
    connection->last_used = ++clock_ticks;
    while (connection->size >= 2 && daemon_fd >= 0) {
        uint32_t size = (uint32_t)(connection->question[0] << 8 | connection->question[1]);
        if (size > MAX_QUESTION) {
            drop_connection(connection);
            return;
        }
        if (connection->size < 2 + size) return;
        memcpy(outgoing + HEAD_BYTES + TOKEN_BYTES, connection->question + 2, size);
        connection->size -= 2 + size;
        memmove(connection->question, connection->question + 2 + size, connection->size);
        ask(place, TOKEN_OF_TCP | (uint64_t)connection->number << 8 | (uint64_t)(connection - connections), size);
    }
}

static void answer_udp(const struct place *place, uint64_t token, const uint8_t *message, uint32_t size) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = (uint16_t)(token >> 32), .sin_addr.s_addr = (uint32_t)token};
    (void)sendto(place->udp, message, size, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to);
}

static void answer_tcp(const struct place *place, uint64_t token, const uint8_t *message, uint32_t size) {
    struct connection *connection = &connections[token & 0xff];
    if ((token & 0xff) >= MAX_CONNECTIONS || connection->fd < 0 || size > MAX_MESSAGE) return;
    if (connection->generation != place->generation || connection->number != (uint32_t)(token >> 8)) return;
    const uint8_t length[2] = {(uint8_t)(size >> 8), (uint8_t)size};
    /* A client that does not take its answers is let go. */
    if (send(connection->fd, length, 2, MSG_NOSIGNAL | MSG_MORE) != 2 ||
        send(connection->fd, message, size, MSG_NOSIGNAL) != (ssize_t)size)
        drop_connection(connection);
}

/* `size` bytes of what arrived have been put behind head and token already. */
static void tell_reply(uint64_t key, uint64_t token, uint32_t size) {
    memcpy(outgoing + HEAD_BYTES, &token, TOKEN_BYTES);
    tell_daemon(REPLY, key, TOKEN_BYTES + size);
}

static void ask_upstream(const struct place *place, uint64_t key, uint64_t token, const uint8_t *body, uint32_t size) {
    int failed = 1;
    if (place && setns(place->namespace, CLONE_NEWNET) == 0) {
        failed = upstream_ask(key, token, body, size, work, SOURCE_UPSTREAM);
        return_home();
    }
    if (failed) tell_reply(key, token, 0);
}

static void read_upstream(uint32_t number) {
    uint64_t key, token;
    ssize_t got = upstream_follow(number, outgoing + HEAD_BYTES + TOKEN_BYTES, MAX_MESSAGE, &key, &token);
    if (got >= 0) tell_reply(key, token, (uint32_t)got);
}

static void obey(const uint8_t *frame, uint32_t size) {
    uint64_t key, token;
    uint16_t port;
    uint8_t kind = frame[0];
    memcpy(&key, frame + 1, 8);
    const uint8_t *body = frame + 9;
    uint32_t body_size = size - 9;
    struct place *place = kind == CLOSE || kind == ANSWER || kind == ASK ? find_place(key) : NULL;
    switch (kind) {
    case BEGIN:
        for (uint32_t i = 0; i < places_end; i++) places[i].doubtful = 1;
        break;
    case END:
        for (uint32_t i = 0; i < places_end; i++)
            if (places[i].doubtful) close_place(&places[i]);
        break;
    case OPEN: {
        if (body_size < 4 || body[body_size - 1] != 0) return;
        memcpy(&port, body, 2);
        uint32_t error = open_place(key, port, (const char *)body + 2);
        memcpy(outgoing + HEAD_BYTES, &error, 4);
        tell_daemon(OPEN, key, 4);
        break;
    }
    case CLOSE:
        if (place) close_place(place);
        break;
    case ANSWER:
        if (!place || body_size < TOKEN_BYTES) return;
        memcpy(&token, body, TOKEN_BYTES);
        (token & TOKEN_OF_TCP ? answer_tcp : answer_udp)(place, token, body + TOKEN_BYTES, body_size - TOKEN_BYTES);
        break;
    case ASK:
    case FORGET:
        if (body_size < TOKEN_BYTES) return;
        memcpy(&token, body, TOKEN_BYTES);
        if (kind == FORGET) upstream_forget(token);
        else ask_upstream(place, key, token, body + TOKEN_BYTES, body_size - TOKEN_BYTES);
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
    if (watch(control, fd, SOURCE_DAEMON, 0) || watch(control, work, SOURCE_WORK, 0)) leave_daemon();
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
        uint32_t index = (uint32_t)events[i].data.u64;
        enum source source = (enum source)(events[i].data.u64 >> 32);
        if (source == SOURCE_CONNECTION) {
            if (connections[index].fd >= 0) read_connection(&connections[index]);
        } else if (source == SOURCE_UPSTREAM) {
            read_upstream(index);
        } else if (places[index].udp >= 0) {
            if (source == SOURCE_UDP) read_udp(&places[index]);
            else accept_tcp(&places[index]);
        }
    }
}

int mode_names(int argc, char **argv) {
    if (argc != 2) return 2;
    setsid();
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    prctl(PR_SET_NAME, "gantry-names", 0, 0, 0);
    for (uint32_t i = 0; i < MAX_CONNECTIONS; i++) connections[i].fd = -1;
    upstreams_init();
    home_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    control = epoll_create1(EPOLL_CLOEXEC);
    work = epoll_create1(EPOLL_CLOEXEC);
    if (home_namespace < 0 || control < 0 || work < 0 || listen_at(argv[1])) return 3;
    if (watch(control, listener, SOURCE_LISTENER, 0)) return 3;
    /* Whoever started this waits for a byte, and connects then. */
    (void)!write(STDOUT_FILENO, "\n", 1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) (void)dup2(null, STDOUT_FILENO);
    int had_daemon = 0;
    while (daemon_fd >= 0 || places_used > 0 || !had_daemon) {
        struct epoll_event event;
        if (epoll_wait(control, &event, 1, -1) < 1) continue;
        switch ((enum source)(event.data.u64 >> 32)) {
        case SOURCE_LISTENER: accept_daemon(); had_daemon = 1; break;
        case SOURCE_DAEMON: read_daemon(); break;
        default: work_off(); break;
        }
    }
    unlink(argv[1]);
    return 0;
}
