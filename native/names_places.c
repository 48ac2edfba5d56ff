#include "names_places.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "names_upstream.h"

#define MAX_PLACES 8192
#define MAX_CONNECTIONS 128
#define MAX_QUESTION 4096
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

static struct place places[MAX_PLACES];
static uint32_t places_end, places_used;
static struct connection connections[MAX_CONNECTIONS];
static uint64_t clock_ticks;
static uint32_t generations, accepted;
static int home_namespace, work;
static names_question *heard;

int names_watch(int set, int fd, enum names_source source, uint32_t number) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)source << 32 | number};
    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

int places_init(int set, names_question *question) {
    for (uint32_t i = 0; i < MAX_CONNECTIONS; i++) connections[i].fd = -1;
    work = set;
    heard = question;
    home_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return home_namespace < 0 ? -1 : 0;
}

uint32_t places_count(void) {
    return places_used;
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
void place_leave(void) {
    int saved = errno;
    if (setns(home_namespace, CLONE_NEWNET)) _exit(1);
    errno = saved;
}

static int open_sockets(int namespace, uint16_t port, int *udp, int *tcp) {
    if (setns(namespace, CLONE_NEWNET)) return -1;
    *udp = bound_socket(SOCK_DGRAM, port);
    *tcp = *udp < 0 ? -1 : bound_socket(SOCK_STREAM, port);
    place_leave();
    int saved = errno;
    if (*tcp >= 0) return 0;
    if (*udp >= 0) close(*udp);
    errno = saved;
    return -1;
}

uint32_t place_open(uint64_t key, uint16_t port, const char *path) {
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
    if (names_watch(work, udp, SOURCE_UDP, index) || names_watch(work, tcp, SOURCE_TCP, index)) {
        uint32_t error = (uint32_t)errno;
        close_place(place);
        return error;
    }
    return 0;
}

static void read_udp(const struct place *place) {
    static uint8_t message[NAMES_MAX_MESSAGE];
    struct sockaddr_in from = {0};
    socklen_t from_size = sizeof from;
    ssize_t size = recvfrom(place->udp, message, sizeof message, 0, (struct sockaddr *)&from, &from_size);
    if (size < 0 || from.sin_family != AF_INET) return;
    heard(place->key, (uint64_t)from.sin_port << 32 | from.sin_addr.s_addr, message, (uint32_t)size);
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
    if (names_watch(work, fd, SOURCE_CONNECTION, (uint32_t)(chosen - connections))) drop_connection(chosen);
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
    int listens = 1;
    while (connection->size >= 2 && listens) {
        uint32_t size = (uint32_t)(connection->question[0] << 8 | connection->question[1]);
        if (size > MAX_QUESTION) {
            drop_connection(connection);
            return;
        }
        if (connection->size < 2 + size) return;
        uint64_t token = TOKEN_OF_TCP | (uint64_t)connection->number << 8 | (uint64_t)(connection - connections);
        listens = heard(place->key, token, connection->question + 2, size);
        connection->size -= 2 + size;
        memmove(connection->question, connection->question + 2 + size, connection->size);
    }
}

static void answer_udp(const struct place *place, uint64_t token, const uint8_t *message, uint32_t size) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = (uint16_t)(token >> 32), .sin_addr.s_addr = (uint32_t)token};
    (void)sendto(place->udp, message, size, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to);
}

static void answer_tcp(const struct place *place, uint64_t token, const uint8_t *message, uint32_t size) {
    struct connection *connection = &connections[token & 0xff];
    if ((token & 0xff) >= MAX_CONNECTIONS || connection->fd < 0 || size > NAMES_MAX_MESSAGE) return;
    if (connection->generation != place->generation || connection->number != (uint32_t)(token >> 8)) return;
    const uint8_t length[2] = {(uint8_t)(size >> 8), (uint8_t)size};
    /* A client that does not take its answers is let go. */
    if (send(connection->fd, length, 2, MSG_NOSIGNAL | MSG_MORE) != 2 ||
        send(connection->fd, message, size, MSG_NOSIGNAL) != (ssize_t)size)
        drop_connection(connection);
}

void place_close(uint64_t key) {
    struct place *place = find_place(key);
    if (place) close_place(place);
}

void places_doubt(void) {
    for (uint32_t i = 0; i < places_end; i++) places[i].doubtful = 1;
}

void places_close_doubtful(void) {
    for (uint32_t i = 0; i < places_end; i++)
        if (places[i].doubtful) close_place(&places[i]);
}

int place_enter(uint64_t key) {
    const struct place *place = find_place(key);
    return place ? setns(place->namespace, CLONE_NEWNET) : -1;
}

void place_answer(uint64_t key, uint64_t token, const uint8_t *message, uint32_t size) {
    const struct place *place = find_place(key);
    if (place) (token & TOKEN_OF_TCP ? answer_tcp : answer_udp)(place, token, message, size);
}

void places_follow(enum names_source source, uint32_t number) {
    if (source == SOURCE_CONNECTION) {
        if (connections[number].fd >= 0) read_connection(&connections[number]);
    } else if (places[number].udp >= 0) {
        if (source == SOURCE_UDP) read_udp(&places[number]);
        else accept_tcp(&places[number]);
    }
}
