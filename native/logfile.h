/* Docker's json-file log: one JSON object a line of output, rotated by size. */
#ifndef GANTRY_LOGFILE_H
#define GANTRY_LOGFILE_H

#include <stddef.h>
#include <stdint.h>

enum { LOG_STDOUT = 0, LOG_STDERR = 1 };

/* Open (append to) `path`; `max_bytes` 0 = no rotation, `max_files` counts the current one. Returns 0 or -1. */
int logfile_open(const char *path, uint64_t max_bytes, uint32_t max_files);

/* Take output of a stream. Whole lines are written before the return; the rest waits for its end. No-op when not open. */
void logfile_append(int stream, const char *bytes, size_t size);

/* Write unfinished lines too: the process has ended. */
void logfile_finish(void);

#endif
