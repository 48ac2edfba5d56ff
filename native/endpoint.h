/* An address of IPv4 or IPv6 with a port, as sockets take it. */
#ifndef GANTRY_ENDPOINT_H
#define GANTRY_ENDPOINT_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

struct endpoint {
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address;
    /* 0 when there is none. */
    socklen_t size;
};

/* Of an address as inet_pton(3) reads it and a decimal port. Returns 0, or -1 with EINVAL. */
int endpoint_parse(struct endpoint *endpoint, const char *address, const char *port);

int endpoint_equal(const struct endpoint *one, const struct endpoint *other);

/* What a socket is bound to. Returns 0, or -1 with errno. */
int endpoint_of_socket(struct endpoint *endpoint, int fd);

/* In the host's byte order. */
uint16_t endpoint_port(const struct endpoint *endpoint);

#endif
