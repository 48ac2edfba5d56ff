#include "netlink_send.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_MESSAGES 16384

int netlink_open(const struct operation *op, struct failure *failure) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, (int)op->f[1].u);
    if (fd < 0) return fail(failure, "socket", "netlink");
    /* The kernel's words on what it did not like, for the detail of a failure. */
    int on = 1;
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    return fd;
}

static uint32_t load32(const char *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static int is_ignored(const struct field *ignored, int error) {
    for (uint32_t i = 0; i + 4 <= ignored->n; i += 4)
        if ((int)load32(ignored->s + i) == error) return 1;
    return 0;
}

static int await_acknowledgement(int socket, const struct field *ignored, struct failure *failure) {
    char reply[8192];
    for (;;) {
        ssize_t size = recv(socket, reply, sizeof reply, 0);
        if (size < 0 && errno == EINTR) continue;
        if (size < (ssize_t)sizeof(struct nlmsghdr)) return fail(failure, "recv", "netlink");
        struct nlmsghdr head;
        memcpy(&head, reply, sizeof head);
        if (head.nlmsg_type != NLMSG_ERROR) continue;
        int error = -(int)load32(reply + sizeof head);
        if (error == 0 || is_ignored(ignored, error)) return 0;
        return fail_with(failure, error, "netlink", "");
    }
}

int netlink_send(int socket, const struct operation *op, uint32_t pid, struct failure *failure) {
    static char messages[MAX_MESSAGES];
    const struct field *raw = &op->f[2], *offsets = &op->f[3];
    if (raw->n > sizeof messages) return fail_with(failure, E2BIG, "netlink", "messages");
    memcpy(messages, raw->s, raw->n);
    for (uint32_t i = 0; i + 4 <= offsets->n; i += 4) {
        uint32_t at = load32(offsets->s + i);
        if (at > raw->n || raw->n - at < sizeof pid) return fail_with(failure, EINVAL, "netlink", "pid offset");
        memcpy(messages + at, &pid, sizeof pid);
    }
    /* nf_tables takes a batch as one datagram and answers for all of it. */
    if (op->f[1].u == NETLINK_NETFILTER) {
        if (send(socket, messages, raw->n, 0) < 0) return fail(failure, "send", "netlink");
        return await_acknowledgement(socket, &op->f[4], failure);
    }
    for (uint32_t at = 0; at < raw->n;) {
        struct nlmsghdr head;
        if (raw->n - at < sizeof head) return fail_with(failure, EINVAL, "netlink", "message header");
        memcpy(&head, messages + at, sizeof head);
        if (head.nlmsg_len < sizeof head || head.nlmsg_len > raw->n - at)
            return fail_with(failure, EINVAL, "netlink", "message length");
        head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
        memcpy(messages + at, &head, sizeof head);
        if (send(socket, messages + at, head.nlmsg_len, 0) < 0) return fail(failure, "send", "netlink");
        if (await_acknowledgement(socket, &op->f[4], failure)) return -1;
        at += NLMSG_ALIGN(head.nlmsg_len);
    }
    return 0;
}
