/* Questions that are on their way to name servers, asked from containers' network namespaces. */
#ifndef GANTRY_NAMES_UPSTREAM_H
#define GANTRY_NAMES_UPSTREAM_H

#include <stdint.h>
#include <sys/types.h>

#define MAX_UPSTREAMS 1024

void upstreams_init(void);

/*
 * Begin to ask, from the network namespace that this thread is in. `body` is transport u8 (0 UDP, 1 TCP), port u16,
 * address 16 bytes (IPv4 as ::ffff:a.b.c.d), and what is sent. The socket is watched in `set` with `source` in the upper
 * half of its data and its number in the lower. -1 when it cannot be.
 */
int upstream_ask(uint64_t key, uint64_t token, const uint8_t *body, uint32_t size, int set, uint32_t source);

/*
 * Follow an event of a socket: send what waits, or receive. Gives the bytes received, 0 when nothing more will come (it
 * is closed then), -1 when there is nothing yet. `key` and `token` are those it was asked with.
 */
ssize_t upstream_follow(uint32_t number, uint8_t *buffer, uint32_t size, uint64_t *key, uint64_t *token);

/* Close one, those of a namespace, or all. */
void upstream_forget(uint64_t token);
void upstreams_forget_key(uint64_t key);
void upstreams_forget_all(void);

#endif
