/* The process's stdin, stdout and stderr between its pipes or terminal, the log, and the attachments. */
#ifndef GANTRY_STDIO_RELAY_H
#define GANTRY_STDIO_RELAY_H

#include "connection.h"
#include "task.h"

/* The task whose descriptors are moved; it outlives all of this. */
void stdio_begin(struct task *task);

/* Read once from a stream and pass it on; at its end it is closed and becomes -1. */
void stdio_pump(int *fd, int stream, int terminal);
/* The process has ended: pass on what its streams still hold, close everything, and finish the log. */
void stdio_finish(void);

/* Where stdin is written to; -1 when it is closed. */
int stdio_input(void);
/* Are there bytes that the process has not taken yet? Nobody's input is taken as long as there are. */
int stdio_input_waits(void);
/* Take stdin bytes, or the end of them, from an attachment. */
void stdio_take_input(struct connection *connection);
/* Write what waits. */
void stdio_give_input(void);
/* An attachment with stdin has ended or vanished; closes stdin where the task says that the first one does. */
void stdio_end_input(void);

#endif
