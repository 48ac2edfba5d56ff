#include "forward_streams.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { MAX_STREAMS = 8192, MAX_SPARE = 16, ACCEPTED_AT_ONCE = 16, CARRIED_AT_ONCE = 1 << 20 };
enum end { CLIENT, CONTAINER };

/* What one end sends to the other. */
struct way {
    /* Only while it has something in it, `pending` bytes. */
    int pipe[2];
    uint32_t pending;
    /* Its sender has said that no more comes; its receiver has been told. */
    uint8_t ended, shut;
};

struct stream {
    int fd[2];
    /* What is watched; a socket with nothing to wait for is not watched at all, or its hanging up would be told again and again. */
    uint32_t interest[2];
    struct way from[2];
    uint32_t port;
    uint8_t used, connecting;
};

static struct stream streams[MAX_STREAMS];
static uint32_t free_streams[MAX_STREAMS], free_count, used_count;
static int spare[MAX_SPARE][2], spare_count;
static int watched, starved;
static uint32_t source[2];

void streams_begin(int epoll, uint32_t most, uint32_t of_client, uint32_t of_container) {
    watched = epoll;
    source[CLIENT] = of_client;
    source[CONTAINER] = of_container;
    for (uint32_t i = most < MAX_STREAMS ? most : MAX_STREAMS; i > 0; i--) free_streams[free_count++] = i - 1;
}

int streams_have_room(void) {
    return free_count > 0 && !(starved && used_count > 0);
}

/* An empty pipe is anybody's, so that few are enough for all connections that flow. */
static int take_pipe(struct way *way) {
    if (spare_count == 0) return pipe2(way->pipe, O_CLOEXEC | O_NONBLOCK);
    memcpy(way->pipe, spare[--spare_count], sizeof way->pipe);
    return 0;
}

static void give_pipe(const struct way *way) {
    if (way->pending == 0 && spare_count < MAX_SPARE) {
        memcpy(spare[spare_count++], way->pipe, sizeof way->pipe);
        return;
    }
    close(way->pipe[0]);
    close(way->pipe[1]);
}

static void free_stream(struct stream *stream) {
    for (int end = CLIENT; end <= CONTAINER; end++) {
        close(stream->fd[end]);
        if (stream->from[end].pending > 0) give_pipe(&stream->from[end]);
    }
    *stream = (struct stream){0};
    free_streams[free_count++] = (uint32_t)(stream - streams);
    used_count--;
    starved = 0;
}

/* Neither end may take what came for the whole. */
static void reset_on_close(int fd) {
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void reset_stream(struct stream *stream) {
    reset_on_close(stream->fd[CLIENT]);
    reset_on_close(stream->fd[CONTAINER]);
    free_stream(stream);
}

/* The bytes that are there, into the way's pipe. Returns 0, or -1 when the connection is broken. */
static int fill(struct way *way, int from) {
    if (take_pipe(way)) return -1;
    ssize_t got = splice(from, NULL, way->pipe[1], NULL, CARRIED_AT_ONCE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (got > 0) {
        way->pending = (uint32_t)got;
        return 0;
    }
    int error = errno;
    give_pipe(way);
    way->ended = got == 0;
    return got == 0 || error == EAGAIN || error == EINTR ? 0 : -1;
}

/* As many as the receiver takes. Returns 0, or -1 when the connection is broken. */
static int drain(struct way *way, int to) {
    while (way->pending > 0) {
        ssize_t put = splice(way->pipe[0], NULL, to, NULL, way->pending, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (put < 0 && errno == EAGAIN) return 0;
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return -1;
        way->pending -= (uint32_t)put;
    }
    give_pipe(way);
    return 0;
}

static int carry(struct stream *stream, enum end from) {
    struct way *way = &stream->from[from];
    int to = stream->fd[!from];
    if (way->pending == 0 && !way->ended && fill(way, stream->fd[from])) return -1;
    if (way->pending > 0 && drain(way, to)) return -1;
    if (way->pending > 0 || !way->ended || way->shut) return 0;
    way->shut = 1;
    return shutdown(to, SHUT_WR);
}

static int watch(struct stream *stream) {
    for (int end = CLIENT; end <= CONTAINER; end++) {
        const struct way *out = &stream->from[end], *in = &stream->from[!end];
        uint32_t wanted = 0, had = stream->interest[end];
        if (!stream->connecting && !out->ended && out->pending == 0) wanted |= EPOLLIN;
        if (in->pending > 0 || (stream->connecting && end == CONTAINER)) wanted |= EPOLLOUT;
        if (wanted == had) continue;
        struct epoll_event event = {.events = wanted, .data.u64 = (uint64_t)source[end] << 32 | (uint32_t)(stream - streams)};
        int verb = had == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
        if (epoll_ctl(watched, verb, stream->fd[end], &event)) return -1;
        stream->interest[end] = wanted;
    }
    return 0;
}

/* Whether the container has answered; an error when it has refused. */
static int finish_connect(struct stream *stream) {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(stream->fd[CONTAINER], SOL_SOCKET, SO_ERROR, &error, &size) || error) return -1;
    stream->connecting = 0;
    return 0;
}

void streams_follow(uint32_t index) {
    struct stream *stream = &streams[index];
    /* It may have gone with an event before this one. */
    if (!stream->used) return;
    int broken = stream->connecting && finish_connect(stream);
    if (broken || carry(stream, CLIENT) || carry(stream, CONTAINER) || watch(stream)) reset_stream(stream);
    else if (stream->from[CLIENT].shut && stream->from[CONTAINER].shut) free_stream(stream);
}

static int connect_to(const struct endpoint *target) {
    int fd = target->size ? socket(target->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    if (fd < 0 || connect(fd, &target->address.any, target->size) == 0 || errno == EINPROGRESS) return fd;
    close(fd);
    return -1;
}

static void begin_stream(int client, int container, uint32_t port) {
    static const int on = 1;
    struct stream *stream = &streams[free_streams[--free_count]];
    used_count++;
    *stream = (struct stream){.fd = {client, container}, .port = port, .used = 1, .connecting = 1};
    for (int end = CLIENT; end <= CONTAINER; end++) {
        (void)setsockopt(stream->fd[end], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)setsockopt(stream->fd[end], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    if (watch(stream)) reset_stream(stream);
}

void streams_accept(int listener, uint32_t port, const struct endpoint *target) {
    for (int i = 0; i < ACCEPTED_AT_ONCE && streams_have_room(); i++) {
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0) {
            /* Others wait until a connection ends. */
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) starved = 1;
            return;
        }
        int container = connect_to(target);
        if (container >= 0) {
            begin_stream(client, container, port);
            continue;
        }
        reset_on_close(client);
        close(client);
    }
}

/* Its end may still be behind what has not been read. */
static int has_said_all(const struct stream *stream) {
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    if (stream->from[CONTAINER].ended) return 1;
    return getsockopt(stream->fd[CONTAINER], IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_CLOSE_WAIT;
}

void streams_end(uint32_t port) {
    for (uint32_t i = 0; i < MAX_STREAMS; i++)
        if (streams[i].used && streams[i].port == port && !has_said_all(&streams[i])) reset_stream(&streams[i]);
}
