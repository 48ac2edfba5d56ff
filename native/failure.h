/*
 * How a failing operation reaches the daemon: which operation, what was being done, and errno. The new process sends
 * it over its socket pair to the shim; nothing here allocates.
 */
#ifndef GANTRY_FAILURE_H
#define GANTRY_FAILURE_H

#include <stdint.h>

#define FAILURE_DETAIL 240

struct failure {
    uint16_t index;
    uint16_t code;
    int32_t error;
    char detail[FAILURE_DETAIL];
};

/* Fill in errno and "what subject" as the detail. Returns -1, so that callers can `return fail(...)`. */
int fail(struct failure *failure, const char *what, const char *subject);
/* The same with an error of the caller's own choice. */
int fail_with(struct failure *failure, int error, const char *what, const char *subject);

/* Append text to a bounded, always terminated buffer. */
void append_text(char *buffer, uint32_t size, const char *text);
void append_number(char *buffer, uint32_t size, uint64_t number);

#endif
