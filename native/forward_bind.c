#include "forward_bind.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"

struct question {
    int type;
    struct endpoint endpoint;
};

/* Room for the header of one descriptor, aligned as cmsg(3) wants it. */
union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static int bound_socket(const struct question *question) {
    const struct endpoint *endpoint = &question->endpoint;
    int family = endpoint->address.any.sa_family, on = 1;
    int fd = socket(family, question->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    /* Connections of a former listener that are not quite over do not keep the next one out; datagrams know no such thing. */
    if (question->type == SOCK_STREAM) (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (family == AF_INET6) (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, &endpoint->address.any, endpoint->size) || (question->type == SOCK_STREAM && listen(fd, SOMAXCONN))) {
        close_fd(&fd);
        return -1;
    }
    return fd;
}

int forward_bind_answer(int channel) {
    struct question question;
    ssize_t size = recv(channel, &question, sizeof question, 0);
    if (size < 0 && errno == EINTR) return 0;
    if (size != sizeof question) return -1;
    AUTO_FD fd = bound_socket(&question);
    int error = fd < 0 ? errno : 0;
    union control control = {.head = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    struct iovec part = {.iov_base = &error, .iov_len = sizeof error};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
    }
    return sendmsg(channel, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int forward_bind_ask(int channel, int type, const struct endpoint *endpoint) {
    struct question question = {.type = type, .endpoint = *endpoint};
    union control control;
    int error = 0, fd = -1;
    struct iovec part = {.iov_base = &error, .iov_len = sizeof error};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t size;
    if (send(channel, &question, sizeof question, MSG_NOSIGNAL) < 0) return -1;
    do size = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    if (size < 0) return -1;
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(head), sizeof fd);
    if (fd < 0) errno = size == sizeof error && error ? error : EPIPE;
    return fd;
}
