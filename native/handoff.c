#include "handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"

/* A path too long for a socket's name is reached through the descriptor of its folder, which the caller closes. */
static int address_of(const char *path, struct sockaddr_un *address) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) < sizeof address->sun_path) {
        strcpy(address->sun_path, path);
        return -1;
    }
    char folder[4096] = "";
    const char *name = strrchr(path, '/');
    append_text(folder, sizeof folder, path);
    if (name) folder[name - path] = 0;
    int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    append_text(address->sun_path, sizeof address->sun_path, "/proc/self/fd/");
    append_number(address->sun_path, sizeof address->sun_path, (uint64_t)(fd < 0 ? 0 : fd));
    append_text(address->sun_path, sizeof address->sun_path, name ? name : "");
    return fd;
}

int handoff_console(const char *path, int master, struct failure *failure) {
    static const char name[] = "/dev/pts/ptmx";
    struct sockaddr_un address;
    AUTO_FD folder = address_of(path, &address);
    AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) return fail(failure, "connect to the console socket", path);
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    /* sendmsg(2) does not write to it. */
    char data[sizeof name];
    memcpy(data, name, sizeof name);
    struct iovec part = {data, sizeof name - 1};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *item = CMSG_FIRSTHDR(&head);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof master);
    memcpy(CMSG_DATA(item), &master, sizeof master);
    return sendmsg(fd, &head, MSG_NOSIGNAL) < 0 ? fail(failure, "send the terminal to", path) : 0;
}

int handoff_listen(const char *path, struct failure *failure) {
    struct sockaddr_un address;
    AUTO_FD folder = address_of(path, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail(failure, "socket", path);
    mode_t before = umask(0177);
    int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    umask(before);
    if (bound == 0 && listen(fd, 1) == 0) return fd;
    fail(failure, "listen on", path);
    close(fd);
    return -1;
}

int handoff_await(int listener) {
    for (;;) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0 && errno == EINTR) continue;
        if (connection < 0) return -1;
        char word;
        /* Who only looked whether somebody is there says nothing. */
        if (read(connection, &word, 1) == 1) return connection;
        close(connection);
    }
}

void handoff_tell(int connection, const struct failure *failure) {
    char line[FAILURE_DETAIL + 32] = "";
    append_number(line, sizeof line, (uint64_t)failure->error);
    append_text(line, sizeof line, " ");
    append_text(line, sizeof line, failure->detail);
    append_text(line, sizeof line, "\n");
    (void)send(connection, line, strlen(line), MSG_NOSIGNAL);
}
