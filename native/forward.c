#include "forward.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "forward_bind.h"
#include "forward_datagrams.h"
#include "forward_streams.h"

enum { MAX_PORTS = 8192, MAX_LINE = 256, WORDS = 6 };
enum source { SOURCE_LISTENER, SOURCE_DAEMON, SOURCE_ACCEPTING, SOURCE_TCP, SOURCE_UDP, SOURCE_CLIENT, SOURCE_CONTAINER, SOURCE_FLOW };

struct port {
    /* -1 where a closed one was. */
    int fd, type;
    struct endpoint host, target;
    uint8_t doubtful;
};

static struct port ports[MAX_PORTS];
static uint32_t ports_end, most_ports;
static int daemon_fd = -1, binder;
/* Everything; and in it what listens, which is not heard while there is no room for a connection. */
static int all, accepting, accepts;
static char line[MAX_LINE];
static size_t line_size;

static int watch(int set, int fd, enum source source, uint32_t index) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)source << 32 | index};
    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

static struct port *find_port(int type, const struct endpoint *host) {
    for (uint32_t i = 0; i < ports_end; i++)
        if (ports[i].fd >= 0 && ports[i].type == type && endpoint_equal(&ports[i].host, host)) return &ports[i];
    return NULL;
}

static struct port *free_port(void) {
    for (uint32_t i = 0; i < ports_end; i++)
        if (ports[i].fd < 0) return &ports[i];
    if (ports_end == most_ports) return NULL;
    ports[ports_end].fd = -1;
    return &ports[ports_end++];
}

static void end_traffic(const struct port *port) {
    uint32_t index = (uint32_t)(port - ports);
    if (port->type == SOCK_STREAM) streams_end(index);
    else datagrams_end(index);
}

static void close_port(struct port *port) {
    end_traffic(port);
    close(port->fd);
    port->fd = -1;
}

/* New connections go to the new target; a flow has none to end, so it is begun anew. */
static int retarget(struct port *port, const struct endpoint *target) {
    port->doubtful = 0;
    if (!endpoint_equal(&port->target, target)) {
        port->target = *target;
        if (port->type == SOCK_DGRAM) end_traffic(port);
    }
    return endpoint_port(&port->host);
}

static int open_port(int type, const struct endpoint *host, const struct endpoint *target) {
    struct port *port = find_port(type, host);
    if (port) return retarget(port, target);
    port = free_port();
    if (!port) return -ENOSPC;
    int fd = forward_bind_ask(binder, type, host);
    if (fd < 0) return -errno;
    struct port made = {.fd = fd, .type = type, .target = *target};
    uint32_t index = (uint32_t)(port - ports);
    if (endpoint_of_socket(&made.host, fd) || (type == SOCK_DGRAM && datagrams_prepare(fd, host->address.any.sa_family)) ||
        (type == SOCK_STREAM ? watch(accepting, fd, SOURCE_TCP, index) : watch(all, fd, SOURCE_UDP, index))) {
        int error = errno;
        close(fd);
        return -error;
    }
    *port = made;
    return endpoint_port(&port->host);
}

static int obey_port(char *const *words, int count) {
    int type = strcmp(words[1], "tcp") == 0 ? SOCK_STREAM : strcmp(words[1], "udp") == 0 ? SOCK_DGRAM : 0;
    struct endpoint host, target = {0};
    if (type == 0 || endpoint_parse(&host, words[2], words[3])) return -EINVAL;
    if (count == 6 && strcmp(words[0], "open") == 0) {
        if (strcmp(words[4], "-") && endpoint_parse(&target, words[4], words[5])) return -EINVAL;
        return open_port(type, &host, &target);
    }
    if (count != 4 || strcmp(words[0], "close")) return -EINVAL;
    struct port *port = find_port(type, &host);
    if (!port) return -ENOENT;
    close_port(port);
    return 0;
}

/* Gives the answer. */
static int obey(char *text) {
    char *words[WORDS];
    int count = 0;
    while (text && count < WORDS) words[count++] = strsep(&text, " ");
    if (text) return -EINVAL;
    if (count >= 4) return obey_port(words, count);
    int begins = strcmp(words[0], "begin") == 0;
    if (count != 1 || (!begins && strcmp(words[0], "end"))) return -EINVAL;
    for (uint32_t i = 0; i < ports_end; i++) {
        if (ports[i].fd < 0) continue;
        if (begins) ports[i].doubtful = 1;
        else if (ports[i].doubtful) close_port(&ports[i]);
    }
    return 0;
}

static void leave_daemon(void) {
    if (daemon_fd >= 0) close(daemon_fd);
    daemon_fd = -1;
    line_size = 0;
}

static void accept_daemon(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    leave_daemon();
    daemon_fd = fd;
    if (watch(all, fd, SOURCE_DAEMON, 0)) leave_daemon();
}

static void read_daemon(void) {
    ssize_t got = recv(daemon_fd, line + line_size, sizeof line - line_size, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    /* A line that fills all of the room is none of the daemon's. */
    if (got <= 0) {
        leave_daemon();
        return;
    }
    line_size += (size_t)got;
    for (char *end; daemon_fd >= 0 && (end = memchr(line, '\n', line_size)) != NULL;) {
        char answer[16];
        *end = 0;
        int length = snprintf(answer, sizeof answer, "%d\n", obey(line));
        line_size -= (size_t)(end + 1 - line);
        memmove(line, end + 1, line_size);
        if (send(daemon_fd, answer, (size_t)length, MSG_NOSIGNAL) != length) leave_daemon();
    }
    if (line_size == sizeof line) leave_daemon();
}

static void accept_or_wait(void) {
    int wanted = streams_have_room();
    if (wanted == accepts) return;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)SOURCE_ACCEPTING << 32};
    if (epoll_ctl(all, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, accepting, &event) == 0) accepts = wanted;
}

static void accept_clients(void) {
    struct epoll_event events[16];
    int count = epoll_wait(accepting, events, 16, 0);
    for (int i = 0; i < count; i++) {
        const struct port *port = &ports[(uint32_t)events[i].data.u64];
        streams_accept(port->fd, (uint32_t)(port - ports), &port->target);
    }
}

static void handle(enum source source, uint32_t index, int listener) {
    switch (source) {
    case SOURCE_LISTENER: accept_daemon(listener); break;
    case SOURCE_DAEMON: if (daemon_fd >= 0) read_daemon(); break;
    case SOURCE_ACCEPTING: accept_clients(); break;
    case SOURCE_UDP: if (ports[index].fd >= 0) datagrams_from_clients(ports[index].fd, index, &ports[index].target); break;
    case SOURCE_CLIENT:
    case SOURCE_CONTAINER: streams_follow(index); break;
    case SOURCE_FLOW: datagrams_from_container(index); break;
    case SOURCE_TCP: break; /* watched in `accepting` alone */
    }
}

/* As many descriptors as this user may have; a connection has up to six, a flow and a port one. */
static uint32_t descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return 256;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_max > 1 << 20 ? 1 << 20 : (uint32_t)limit.rlim_max;
}

void forward_ports(int listener, int channel) {
    uint32_t share = descriptors() / 10;
    struct epoll_event events[64];
    signal(SIGPIPE, SIG_IGN);
    binder = channel;
    most_ports = share < MAX_PORTS ? share : MAX_PORTS;
    all = epoll_create1(EPOLL_CLOEXEC);
    accepting = epoll_create1(EPOLL_CLOEXEC);
    if (all < 0 || accepting < 0 || watch(all, listener, SOURCE_LISTENER, 0)) return;
    streams_begin(all, share, SOURCE_CLIENT, SOURCE_CONTAINER);
    datagrams_begin(all, share, SOURCE_FLOW);
    for (;;) {
        accept_or_wait();
        int count = epoll_wait(all, events, 64, datagrams_expire());
        for (int i = 0; i < count; i++)
            handle((enum source)(events[i].data.u64 >> 32), (uint32_t)events[i].data.u64, listener);
    }
}
