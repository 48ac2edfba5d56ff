/*
 * The name server's sockets at 127.0.0.11 inside containers' network namespaces, UDP and TCP, and the clients of TCP. A
 * place is one namespace, known by a key of the daemon's choice.
 */
#ifndef GANTRY_NAMES_PLACES_H
#define GANTRY_NAMES_PLACES_H

#include <stdint.h>

#define NAMES_MAX_MESSAGE 65535

/* The upper half of what epoll_wait(2) gives for a socket; the lower half is its number. */
enum names_source { SOURCE_LISTENER, SOURCE_DAEMON, SOURCE_WORK, SOURCE_UDP, SOURCE_TCP, SOURCE_CONNECTION, SOURCE_UPSTREAM };

int names_watch(int set, int fd, enum names_source source, uint32_t number);

/* What a client asked. The token brings an answer back to it. Gives whether there is somebody to tell the next question to. */
typedef int names_question(uint64_t key, uint64_t token, const uint8_t *message, uint32_t size);

/* Sockets are watched in the set `work`. -1 with errno. */
int places_init(int work, names_question *heard);
uint32_t places_count(void);

/* Open the sockets of a namespace; no matter when they are there. Gives an errno, or 0. */
uint32_t place_open(uint64_t key, uint16_t port, const char *path);
void place_close(uint64_t key);
/* Every place is doubtful until it is opened again, and closed when it is doubtful still. */
void places_doubt(void);
void places_close_doubtful(void);

/* Bring this thread into the namespace of a place, and back. -1 when it is not there. */
int place_enter(uint64_t key);
void place_leave(void);

/* Follow an event of SOURCE_UDP, SOURCE_TCP or SOURCE_CONNECTION. */
void places_follow(enum names_source source, uint32_t number);
void place_answer(uint64_t key, uint64_t token, const uint8_t *message, uint32_t size);

#endif
