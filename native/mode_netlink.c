/*
 * gantry-shim netlink: netlink sockets for a daemon that cannot open them. One request after another on stdin:
 *   protocol u32, flags u32 (1 = dump), length u32, one netlink message
 * and for each an answer on stdout: errno u32, length u32, the messages that came back (little-endian).
 */
#include <errno.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "modes.h"

#define MAX_REQUEST (1u << 20)
#define MAX_ANSWER (8u << 20)
#define MAX_PROTOCOL 32
#define FLAG_DUMP 1u

static int sockets[MAX_PROTOCOL];
static char request[MAX_REQUEST];
static char answer[MAX_ANSWER];
static uint32_t sequence;

/* Returns 1 when all was read, 0 at the end of input before the first byte, -1 otherwise. */
static int read_all(void *buffer, size_t size) {
    for (size_t at = 0; at < size;) {
        ssize_t got = read(STDIN_FILENO, (char *)buffer + at, size - at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return at == 0 && got == 0 ? 0 : -1;
        at += (size_t)got;
    }
    return 1;
}

static int write_all(const void *buffer, size_t size) {
    for (size_t at = 0; at < size;) {
        ssize_t put = write(STDOUT_FILENO, (const char *)buffer + at, size - at);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return -1;
        at += (size_t)put;
    }
    return 0;
}

static int socket_of(uint32_t protocol) {
    if (protocol >= MAX_PROTOCOL) return -1;
    if (sockets[protocol] == 0) {
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, (int)protocol);
        if (fd < 0) return -1;
        int size = 1 << 20;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        sockets[protocol] = fd;
    }
    return sockets[protocol];
}

/* Collect messages until the acknowledgement, or the end of a dump. Returns errno. */
static uint32_t collect(int fd, uint32_t *size) {
    static char packet[1 << 16];
    for (;;) {
        ssize_t got = recv(fd, packet, sizeof packet, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return (uint32_t)errno;
        for (size_t at = 0; (size_t)got - at >= sizeof(struct nlmsghdr);) {
            struct nlmsghdr head;
            memcpy(&head, packet + at, sizeof head);
            if (head.nlmsg_len < sizeof head || head.nlmsg_len > (size_t)got - at) return EPROTO;
            if (head.nlmsg_seq == sequence) {
                if (head.nlmsg_type == NLMSG_DONE) return 0;
                if (head.nlmsg_type == NLMSG_ERROR) {
                    int32_t error;
                    memcpy(&error, packet + at + sizeof head, sizeof error);
                    return (uint32_t)-error;
                }
                size_t step = NLMSG_ALIGN(head.nlmsg_len);
                if (step > sizeof answer - *size) return EMSGSIZE;
                memcpy(answer + *size, packet + at, head.nlmsg_len);
                *size += (uint32_t)step;
            }
            at += NLMSG_ALIGN(head.nlmsg_len);
            if (at > (size_t)got) break;
        }
    }
}

static uint32_t perform(uint32_t protocol, uint32_t flags, uint32_t length, uint32_t *size) {
    struct nlmsghdr head;
    int fd = socket_of(protocol);
    if (fd < 0) return (uint32_t)errno;
    if (length < sizeof head) return EINVAL;
    memcpy(&head, request, sizeof head);
    head.nlmsg_len = length;
    head.nlmsg_seq = ++sequence;
    head.nlmsg_flags |= NLM_F_REQUEST | (flags & FLAG_DUMP ? NLM_F_DUMP : NLM_F_ACK);
    memcpy(request, &head, sizeof head);
    if (send(fd, request, length, 0) < 0) return (uint32_t)errno;
    return collect(fd, size);
}

int mode_netlink(int argc, char **argv) {
    (void)argv;
    if (argc != 1) return 2;
    for (;;) {
        uint32_t head[3], reply[2] = {0, 0};
        int got = read_all(head, sizeof head);
        if (got <= 0) return got < 0;
        if (head[2] > sizeof request || read_all(request, head[2]) != 1) return 1;
        reply[0] = perform(head[0], head[1], head[2], &reply[1]);
        if (write_all(reply, sizeof reply) || write_all(answer, reply[1])) return 1;
    }
}
