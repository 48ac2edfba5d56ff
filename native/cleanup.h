/* Descriptors that close themselves at the end of their scope. */
#ifndef GANTRY_CLEANUP_H
#define GANTRY_CLEANUP_H

#include <errno.h>
#include <unistd.h>

static inline void close_fd(const int *fd) {
    int saved = errno;
    if (*fd >= 0) close(*fd);
    errno = saved;
}

#define AUTO_FD __attribute__((cleanup(close_fd))) int

#endif
