/*
 * gantry-shim netlink-watch PROTOCOL GROUP...: what the kernel multicasts to groups of a netlink family, each datagram
 * on stdout behind its length (u32, little-endian). A length of 0 tells that notices were lost. Ends with its stdin.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "modes.h"
#include "program_pages.h"

static char datagram[1 << 17];

static int write_all(const void *buffer, size_t size) {
    for (size_t at = 0; at < size;) {
        ssize_t put = write(STDOUT_FILENO, (const char *)buffer + at, size - at);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return -1;
        at += (size_t)put;
    }
    return 0;
}

static int open_groups(int argc, char **argv) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, atoi(argv[1]));
    if (fd < 0) return -1;
    int size = 4 << 20;
    /* Beyond the limit of ordinary users; where that is not allowed, lost notices are told of. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    int failed = bind(fd, (struct sockaddr *)&address, sizeof address);
    for (int i = 2; i < argc && !failed; i++) {
        int group = atoi(argv[i]);
        failed = setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group);
    }
    if (failed) {
        close(fd);
        return -1;
    }
    return fd;
}

int mode_netlink_watch(int argc, char **argv) {
    if (argc < 3) return 2;
    AUTO_FD fd = open_groups(argc, argv);
    if (fd < 0) return 3;
    /* Notices are rare; what was read of the program for the start is not needed for them. */
    release_program_pages();
    struct pollfd polled[] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    for (;;) {
        if (poll(polled, 2, -1) < 0 && errno != EINTR) return 1;
        if (polled[1].revents) return 0;
        if (!polled[0].revents) continue;
        ssize_t got = recv(fd, datagram, sizeof datagram, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno != ENOBUFS) return 1;
        uint32_t size = got < 0 ? 0 : (uint32_t)got;
        if (write_all(&size, sizeof size) || write_all(datagram, size)) return 1;
    }
}
