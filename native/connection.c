#include "connection.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "task.h"

/* As much as the ends of both streams can be, each in a frame of its own. */
#define PENDING_BYTES (4u * (FRAME_HEAD_BYTES + 65536u))

struct connection connections[MAX_CONNECTIONS];
static int input_lost;

void connections_begin(void) {
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) connections[i].fd = -1;
}

void connection_add(int fd) {
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
        if (connections[i].fd >= 0) continue;
        connections[i] = (struct connection){.fd = fd};
        return;
    }
    close(fd);
}

void connection_drop(struct connection *connection) {
    input_lost |= connection->attached && connection->mask & MASK_STDIN && !connection->input_ended;
    close(connection->fd);
    if (connection->pending) munmap(connection->pending, PENDING_BYTES);
    *connection = (struct connection){.fd = -1};
}

int connections_lost_input(void) {
    int lost = input_lost;
    input_lost = 0;
    return lost;
}

void connections_broadcast(uint8_t kind, const void *body, uint32_t size) {
    for (size_t i = 0; i < MAX_CONNECTIONS; i++)
        if (connections[i].fd >= 0 && !connections[i].attached) send_frame(connections[i].fd, kind, body, size);
}

int connection_give_pending(struct connection *connection) {
    while (connection->pending_size > 0) {
        ssize_t sent = send(connection->fd, connection->pending + connection->pending_at, connection->pending_size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
        connection->pending_at += (uint32_t)sent;
        connection->pending_size -= (uint32_t)sent;
    }
    connection->pending_at = 0;
    return 0;
}

void connection_give(struct connection *connection, const char *bytes, size_t size) {
    ssize_t sent = 0;
    if (connection->pending_size == 0) sent = send(connection->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        connection_drop(connection);
        return;
    }
    if (sent < 0) sent = 0;
    if ((size_t)sent == size) return;
    if (!connection->pending) {
        connection->pending = mmap(NULL, PENDING_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (connection->pending == MAP_FAILED) connection->pending = NULL;
    }
    size -= (size_t)sent;
    size_t end = connection->pending_at + connection->pending_size;
    /* Output is read only while nothing is pending, so this holds but for the last bytes of an ended task. */
    if (!connection->pending || size > PENDING_BYTES - end) {
        connection_drop(connection);
        return;
    }
    memcpy(connection->pending + end, bytes + sent, size);
    connection->pending_size += (uint32_t)size;
}

int connections_held_back(void) {
    for (size_t i = 0; i < MAX_CONNECTIONS; i++)
        if (connections[i].fd >= 0 && connections[i].pending_size > 0) return 1;
    return 0;
}

int connection_read_frame(struct connection *connection) {
    uint32_t length = 0;
    if (connection->frame_used >= FRAME_HEAD_BYTES) memcpy(&length, connection->frame + 4, sizeof length);
    length = be32toh(length);
    if (length > FRAME_MAX_BODY) {
        connection_drop(connection);
        return -1;
    }
    uint32_t wanted = FRAME_HEAD_BYTES + length - connection->frame_used;
    if (wanted > 0) {
        ssize_t got = recv(connection->fd, connection->frame + connection->frame_used, wanted, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return -1;
        if (got <= 0) {
            connection_drop(connection);
            return -1;
        }
        connection->frame_used += (uint32_t)got;
    }
    if (connection->frame_used < FRAME_HEAD_BYTES) return -1;
    memcpy(&length, connection->frame + 4, sizeof length);
    length = be32toh(length);
    if (length > FRAME_MAX_BODY || connection->frame_used < FRAME_HEAD_BYTES + length) return -1;
    connection->frame_used = 0;
    return (int)length;
}
