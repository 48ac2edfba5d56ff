#include "forward_datagrams.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FLOWS = 4096, BUCKETS = 1024, TAKEN_AT_ONCE = 64, MAX_DATAGRAM = 65536, IDLE_MS = 60000 };
#define NONE UINT32_MAX

/* Of one of the two families, aligned as cmsg(3) wants it. */
union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct flow {
    /* Towards the container, and the port's own. */
    int fd, socket;
    uint32_t port;
    struct endpoint client;
    /* The address of the host that the client has sent to. */
    union {
        struct in_pktinfo four;
        struct in6_pktinfo six;
    } local;
    uint64_t last_used;
    uint32_t next_in_bucket, older, newer;
    uint8_t used;
};

static struct flow flows[MAX_FLOWS];
static uint32_t free_flows[MAX_FLOWS], free_count, buckets[BUCKETS];
static uint32_t oldest = NONE, newest = NONE;
static int watched;
static uint32_t source;
static char datagram[MAX_DATAGRAM];

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void datagrams_begin(int epoll, uint32_t most, uint32_t of_container) {
    watched = epoll;
    source = of_container;
    for (uint32_t i = most < MAX_FLOWS ? most : MAX_FLOWS; i > 0; i--) free_flows[free_count++] = i - 1;
    memset(buckets, 0xff, sizeof buckets);
}

int datagrams_prepare(int socket, int family) {
    static const int on = 1;
    return family == AF_INET6 ? setsockopt(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on)
                              : setsockopt(socket, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
}

/* FNV-1a. */
static uint32_t *bucket_of(uint32_t port, const struct endpoint *client) {
    uint32_t hash = 2166136261u ^ port;
    const uint8_t *bytes = (const uint8_t *)&client->address;
    for (uint32_t i = 0; i < client->size; i++) hash = (hash ^ bytes[i]) * 16777619u;
    return &buckets[hash % BUCKETS];
}

static void unlink_flow(const struct flow *flow) {
    *(flow->older == NONE ? &oldest : &flows[flow->older].newer) = flow->newer;
    *(flow->newer == NONE ? &newest : &flows[flow->newer].older) = flow->older;
}

static void link_newest(struct flow *flow) {
    uint32_t index = (uint32_t)(flow - flows);
    flow->older = newest;
    flow->newer = NONE;
    *(newest == NONE ? &oldest : &flows[newest].newer) = index;
    newest = index;
}

static void touch(struct flow *flow) {
    flow->last_used = now_ms();
    unlink_flow(flow);
    link_newest(flow);
}

static void end_flow(struct flow *flow) {
    uint32_t index = (uint32_t)(flow - flows), *place = bucket_of(flow->port, &flow->client);
    while (*place != index) place = &flows[*place].next_in_bucket;
    *place = flow->next_in_bucket;
    unlink_flow(flow);
    close(flow->fd);
    *flow = (struct flow){0};
    free_flows[free_count++] = index;
}

static struct flow *find_flow(uint32_t port, const struct endpoint *client) {
    for (uint32_t i = *bucket_of(port, client); i != NONE; i = flows[i].next_in_bucket)
        if (flows[i].port == port && endpoint_equal(&flows[i].client, client)) return &flows[i];
    return NULL;
}

static struct flow *begin_flow(int socket_of_port, uint32_t port, const struct endpoint *client, const struct endpoint *target) {
    if (free_count == 0 && oldest != NONE) end_flow(&flows[oldest]);
    int fd = socket(target->address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return NULL;
    uint32_t index = free_flows[free_count - 1];
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)source << 32 | index};
    if (connect(fd, &target->address.any, target->size) || epoll_ctl(watched, EPOLL_CTL_ADD, fd, &event)) {
        close(fd);
        return NULL;
    }
    free_count--;
    uint32_t *bucket = bucket_of(port, client);
    flows[index] = (struct flow){.fd = fd, .socket = socket_of_port, .port = port, .client = *client, .next_in_bucket = *bucket, .used = 1};
    *bucket = index;
    link_newest(&flows[index]);
    return &flows[index];
}

static void note_local(struct flow *flow, struct msghdr *message) {
    const struct cmsghdr *head = CMSG_FIRSTHDR(message);
    if (head && head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO) {
        memcpy(&flow->local.four, CMSG_DATA(head), sizeof flow->local.four);
        flow->local.four.ipi_ifindex = 0;
    } else if (head && head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_PKTINFO) {
        memcpy(&flow->local.six, CMSG_DATA(head), sizeof flow->local.six);
        /* A link-local address is one of its link; another is answered by whichever way leads to the client. */
        if (!IN6_IS_ADDR_LINKLOCAL(&flow->local.six.ipi6_addr)) flow->local.six.ipi6_ifindex = 0;
    }
}

void datagrams_from_clients(int socket, uint32_t port, const struct endpoint *target) {
    for (int i = 0; i < TAKEN_AT_ONCE; i++) {
        struct endpoint client = {0};
        union control control;
        struct iovec part = {.iov_base = datagram, .iov_len = sizeof datagram};
        struct msghdr message = {.msg_name = &client.address, .msg_namelen = sizeof client.address, .msg_iov = &part, .msg_iovlen = 1,
                                 .msg_control = &control, .msg_controllen = sizeof control};
        ssize_t size = recvmsg(socket, &message, 0);
        /* An error is one that an answer has met on its way; the next datagram may be there nevertheless. */
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (size < 0 || target->size == 0) continue;
        client.size = message.msg_namelen;
        struct flow *flow = find_flow(port, &client);
        if (!flow) flow = begin_flow(socket, port, &client, target);
        if (!flow) continue;
        note_local(flow, &message);
        touch(flow);
        (void)send(flow->fd, datagram, (size_t)size, MSG_NOSIGNAL);
    }
}

static void answer(const struct flow *flow, size_t size) {
    int is_six = flow->client.address.any.sa_family == AF_INET6;
    size_t local = is_six ? sizeof flow->local.six : sizeof flow->local.four;
    union control control = {.head = {.cmsg_len = CMSG_LEN(local),
                                      .cmsg_level = is_six ? IPPROTO_IPV6 : IPPROTO_IP,
                                      .cmsg_type = is_six ? IPV6_PKTINFO : IP_PKTINFO}};
    memcpy(CMSG_DATA(&control.head), &flow->local, local);
    struct endpoint client = flow->client;
    struct iovec part = {.iov_base = datagram, .iov_len = size};
    struct msghdr message = {.msg_name = &client.address, .msg_namelen = client.size, .msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = &control, .msg_controllen = CMSG_SPACE(local)};
    (void)sendmsg(flow->socket, &message, MSG_NOSIGNAL);
}

void datagrams_from_container(uint32_t index) {
    struct flow *flow = &flows[index];
    for (int i = 0; i < TAKEN_AT_ONCE && flow->used; i++) {
        ssize_t size = recv(flow->fd, datagram, sizeof datagram, 0);
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        /* Nobody listens in the container; the next datagram asks again. */
        if (size < 0) {
            end_flow(flow);
            return;
        }
        touch(flow);
        answer(flow, (size_t)size);
    }
}

void datagrams_end(uint32_t port) {
    for (uint32_t i = 0; i < MAX_FLOWS; i++)
        if (flows[i].used && flows[i].port == port) end_flow(&flows[i]);
}

int datagrams_expire(void) {
    uint64_t now = oldest == NONE ? 0 : now_ms();
    while (oldest != NONE && flows[oldest].last_used + IDLE_MS <= now) end_flow(&flows[oldest]);
    return oldest == NONE ? -1 : (int)(flows[oldest].last_used + IDLE_MS - now);
}
