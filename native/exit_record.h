#ifndef GANTRY_EXIT_RECORD_H
#define GANTRY_EXIT_RECORD_H

#include "task.h"

/* Take the place that the record will need, so that a disk which is full at the end does not lose it. Returns 0 or -1. */
int exit_record_reserve(struct task *task);
/* Write STATE_FOLDER/exit as a whole (temporary file, rename). Returns its descriptor for exit_record_sync, or -1. */
int exit_record_write(const struct task *task);
/* Make it durable. */
void exit_record_sync(const struct task *task, int record);

#endif
