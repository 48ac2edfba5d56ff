/*
 * gantry-shim netlink [NAMESPACE]: netlink sockets for a daemon that cannot open them, in the network namespace of a
 * file when one is given. One request after another on stdin:
 *   protocol u32, flags u32 (1 = dump, 2 = a batch of messages), length u32, one netlink message or the batch
 * Protocol 256 is no netlink: two strings with their NULs, a name below /proc/sys and the value to write to it.
 * For each an answer on stdout: errno u32, length u32, the messages that came back (little-endian).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "modes.h"

#define MAX_REQUEST (1u << 20)
#define MAX_ANSWER (8u << 20)
#define MAX_PROTOCOL 32
#define FLAG_DUMP 1u
#define FLAG_BATCH 2u
#define SYSCTL 256u

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

/* All messages of a batch carry one sequence number, so that whichever of them fails is the answer. */
static uint32_t number_batch(uint32_t length) {
    sequence++;
    for (uint32_t at = 0; at < length;) {
        struct nlmsghdr head;
        if (length - at < sizeof head) return EINVAL;
        memcpy(&head, request + at, sizeof head);
        if (head.nlmsg_len < sizeof head || head.nlmsg_len > length - at) return EINVAL;
        head.nlmsg_seq = sequence;
        head.nlmsg_flags |= NLM_F_REQUEST;
        memcpy(request + at, &head, sizeof head);
        at += NLMSG_ALIGN(head.nlmsg_len);
    }
    return 0;
}

/* /proc/sys/net is that of this process's present namespace. */
static uint32_t write_sysctl(uint32_t length) {
    if (length < 2 || request[length - 1] != 0) return EINVAL;
    size_t name_size = strlen(request) + 1;
    if (name_size >= length || strstr(request, "..")) return EINVAL;
    AUTO_FD root = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_FD fd = root < 0 ? -1 : openat(root, request, O_WRONLY | O_CLOEXEC);
    const char *value = request + name_size;
    if (fd < 0 || write(fd, value, strlen(value)) < 0) return (uint32_t)errno;
    return 0;
}

static uint32_t perform(uint32_t protocol, uint32_t flags, uint32_t length, uint32_t *size) {
    struct nlmsghdr head;
    if (protocol == SYSCTL) return write_sysctl(length);
    int fd = socket_of(protocol);
    if (fd < 0) return (uint32_t)errno;
    if (flags & FLAG_BATCH) {
        uint32_t malformed = number_batch(length);
        if (malformed) return malformed;
        return send(fd, request, length, 0) < 0 ? (uint32_t)errno : collect(fd, size);
    }
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
    if (argc > 2) return 2;
    if (argc == 2) {
        AUTO_FD namespace = open(argv[1], O_RDONLY | O_CLOEXEC);
        if (namespace < 0 || setns(namespace, CLONE_NEWNET)) return 3;
    }
    for (;;) {
        uint32_t head[3], reply[2] = {0, 0};
        int got = read_all(head, sizeof head);
        if (got <= 0) return got < 0;
        if (head[2] > sizeof request || read_all(request, head[2]) != 1) return 1;
        reply[0] = perform(head[0], head[1], head[2], &reply[1]);
        if (write_all(reply, sizeof reply) || write_all(answer, reply[1])) return 1;
    }
}
