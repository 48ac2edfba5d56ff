#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int endpoint_parse(struct endpoint *endpoint, const char *address, const char *port) {
    char *end;
    unsigned long number = strtoul(port, &end, 10);
    *endpoint = (struct endpoint){0};
    if (*port < '0' || *port > '9' || *end || number > UINT16_MAX) return errno = EINVAL, -1;
    if (inet_pton(AF_INET, address, &endpoint->address.four.sin_addr) == 1) {
        endpoint->address.four.sin_family = AF_INET;
        endpoint->address.four.sin_port = htons((uint16_t)number);
        endpoint->size = sizeof endpoint->address.four;
        return 0;
    }
    *endpoint = (struct endpoint){0};
    if (inet_pton(AF_INET6, address, &endpoint->address.six.sin6_addr) != 1) return errno = EINVAL, -1;
    endpoint->address.six.sin6_family = AF_INET6;
    endpoint->address.six.sin6_port = htons((uint16_t)number);
    endpoint->size = sizeof endpoint->address.six;
    return 0;
}

int endpoint_equal(const struct endpoint *one, const struct endpoint *other) {
    return one->size == other->size && memcmp(&one->address, &other->address, one->size) == 0;
}

int endpoint_of_socket(struct endpoint *endpoint, int fd) {
    *endpoint = (struct endpoint){.size = sizeof endpoint->address};
    return getsockname(fd, &endpoint->address.any, &endpoint->size);
}

uint16_t endpoint_port(const struct endpoint *endpoint) {
    return ntohs(endpoint->address.any.sa_family == AF_INET6 ? endpoint->address.six.sin6_port : endpoint->address.four.sin_port);
}
