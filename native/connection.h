/*
 * The connections to a shim's socket: control connections, which speak in frames (protocol.h), and attachments, which
 * get the process's output. A slow attachment is remembered what it did not take; a vanished one is forgotten.
 */
#ifndef GANTRY_CONNECTION_H
#define GANTRY_CONNECTION_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol.h"

#define MAX_CONNECTIONS 128

enum { MASK_STDOUT = 1, MASK_STDERR = 2, MASK_STDIN = 4 };

struct connection {
    /* -1 in a free place */
    int fd;
    /* 0 for a control connection, else what it is attached to */
    uint8_t mask;
    uint8_t attached;
    uint8_t input_ended;
    /* a control frame that is not whole yet */
    uint8_t frame[FRAME_HEAD_BYTES + FRAME_MAX_BODY];
    uint32_t frame_used;
    /* output the connection did not take yet; mapped on first need */
    char *pending;
    uint32_t pending_at, pending_size;
};

extern struct connection connections[MAX_CONNECTIONS];

/* Forget all, without closing any. */
void connections_begin(void);
/* Take over a descriptor; it is closed when there are too many already. */
void connection_add(int fd);
void connection_drop(struct connection *connection);

/* A frame to every control connection. */
void connections_broadcast(uint8_t kind, const void *body, uint32_t size);

/* Give output to an attachment, in part now and the rest later. Drops it when it has vanished or lets too much lie. */
void connection_give(struct connection *connection, const char *bytes, size_t size);
/* Give what is pending; returns -1 when the connection is gone. */
int connection_give_pending(struct connection *connection);
/* Has any attachment not taken all of its output? */
int connections_held_back(void);

/*
 * Read on in the next frame of a control connection; it is in `frame` when it is whole, and the size of its body is
 * returned. -1: not whole yet, or the connection was dropped. Never a byte more is read, so that what follows
 * FRAME_SUBSCRIBE stays in the socket as stdin.
 */
int connection_read_frame(struct connection *connection);

/* Has an attachment with stdin vanished, without having ended its input, since this was last asked? */
int connections_lost_input(void);

#endif
