#include "names_upstream.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_BYTES 19
#define ADDRESS_BYTES 16
/* A question, and two bytes of length before one over TCP. */
#define MAX_SENT (2 + 4096)

/* One socket. A free one has the descriptor -1. */
struct upstream {
    int fd, set;
    uint64_t key, token, data;
    /* what waits to be sent; 0 afterwards */
    uint32_t size;
    uint8_t sent[MAX_SENT];
};

static struct upstream upstreams[MAX_UPSTREAMS];
static uint32_t upstreams_end;

void upstreams_init(void) {
    for (uint32_t i = 0; i < MAX_UPSTREAMS; i++) upstreams[i].fd = -1;
}

static void forget(struct upstream *upstream) {
    if (upstream->fd >= 0) close(upstream->fd);
    upstream->fd = -1;
}

void upstream_forget(uint64_t token) {
    for (uint32_t i = 0; i < upstreams_end; i++)
        if (upstreams[i].fd >= 0 && upstreams[i].token == token) forget(&upstreams[i]);
}

void upstreams_forget_key(uint64_t key) {
    for (uint32_t i = 0; i < upstreams_end; i++)
        if (upstreams[i].fd >= 0 && upstreams[i].key == key) forget(&upstreams[i]);
}

void upstreams_forget_all(void) {
    for (uint32_t i = 0; i < upstreams_end; i++) forget(&upstreams[i]);
    upstreams_end = 0;
}

static struct upstream *free_upstream(void) {
    for (uint32_t i = 0; i < upstreams_end; i++)
        if (upstreams[i].fd < 0) return &upstreams[i];
    return upstreams_end < MAX_UPSTREAMS ? &upstreams[upstreams_end++] : NULL;
}

/* Connected, so that nobody else's packets are taken. */
static int connected_socket(int type, uint16_t port, const uint8_t *address) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memcpy(&four.sin_addr, address + sizeof mapped, sizeof four.sin_addr);
    memcpy(&six.sin6_addr, address, ADDRESS_BYTES);
    int is_four = memcmp(address, mapped, sizeof mapped) == 0;
    int fd = socket(is_four ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    int failed = is_four ? connect(fd, (struct sockaddr *)&four, sizeof four) : connect(fd, (struct sockaddr *)&six, sizeof six);
    if (failed && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

int upstream_ask(uint64_t key, uint64_t token, const uint8_t *body, uint32_t size, int set, uint32_t source) {
    if (size < HEAD_BYTES || size - HEAD_BYTES > MAX_SENT) return -1;
    struct upstream *upstream = free_upstream();
    if (!upstream) return -1;
    uint16_t port;
    memcpy(&port, body + 1, sizeof port);
    upstream->fd = connected_socket(body[0] == 0 ? SOCK_DGRAM : SOCK_STREAM, port, body + 3);
    if (upstream->fd < 0) return -1;
    upstream->set = set;
    upstream->key = key;
    upstream->token = token;
    upstream->data = (uint64_t)source << 32 | (uint32_t)(upstream - upstreams);
    upstream->size = size - HEAD_BYTES;
    memcpy(upstream->sent, body + HEAD_BYTES, upstream->size);
    /* It can be written to once it is connected. */
    struct epoll_event event = {.events = EPOLLOUT, .data.u64 = upstream->data};
    if (epoll_ctl(set, EPOLL_CTL_ADD, upstream->fd, &event)) {
        forget(upstream);
        return -1;
    }
    return 0;
}

/* A question is smaller than any socket's buffer, so it is sent in one piece or not at all. */
static int send_question(struct upstream *upstream) {
    if (send(upstream->fd, upstream->sent, upstream->size, MSG_NOSIGNAL) != (ssize_t)upstream->size) return -1;
    upstream->size = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = upstream->data};
    return epoll_ctl(upstream->set, EPOLL_CTL_MOD, upstream->fd, &event);
}

ssize_t upstream_follow(uint32_t number, uint8_t *buffer, uint32_t size, uint64_t *key, uint64_t *token) {
    struct upstream *upstream = &upstreams[number];
    if (upstream->fd < 0) return -1;
    *key = upstream->key;
    *token = upstream->token;
    ssize_t got = -1;
    int failed;
    if (upstream->size > 0) failed = send_question(upstream);
    else failed = (got = recv(upstream->fd, buffer, size, 0)) < 0;
    if (failed && (errno == EAGAIN || errno == EINTR)) return -1;
    if (failed || got == 0) {
        forget(upstream);
        return 0;
    }
    return got;
}
