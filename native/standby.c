#include "standby.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "protocol.h"

/* Exactly so many bytes; 0 when the other side has gone. */
static int receive_all(int fd, void *bytes, size_t size) {
    ssize_t got;
    do got = recv(fd, bytes, size, MSG_WAITALL);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)size;
}

static int say_into(int folder) {
    AUTO_FD log = openat(folder, "shim.log", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return log < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0 ? -1 : 0;
}

int standby_await(int control, char *folder, struct failure *failure) {
    uint8_t head[FRAME_HEAD_BYTES];
    uint32_t size;
    if (!receive_all(control, head, sizeof head)) exit(0);
    memcpy(&size, head + 4, sizeof size);
    if (head[0] != FRAME_TASK || be32toh(size) != strlen(folder)) return fail_with(failure, EPROTO, "a waiting shim was told no task", "");
    if (!receive_all(control, folder, strlen(folder))) exit(0);
    AUTO_FD place = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place < 0 || say_into(place)) return fail(failure, "open", folder);
    int plan = openat(place, "plan", O_RDONLY | O_CLOEXEC);
    return plan < 0 ? fail(failure, "open", "plan") : plan;
}
