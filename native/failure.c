#include "failure.h"

#include <errno.h>
#include <string.h>

void append_text(char *buffer, uint32_t size, const char *text) {
    size_t used = strlen(buffer);
    size_t length = strlen(text);
    if (length > size - 1 - used) length = size - 1 - used;
    memcpy(buffer + used, text, length);
    buffer[used + length] = 0;
}

void append_number(char *buffer, uint32_t size, uint64_t number) {
    char digits[21];
    char *at = digits + sizeof digits - 1;
    *at = 0;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    append_text(buffer, size, at);
}

int fail_with(struct failure *failure, int error, const char *what, const char *subject) {
    failure->error = error;
    failure->detail[0] = 0;
    append_text(failure->detail, FAILURE_DETAIL, what);
    if (subject && subject[0]) {
        append_text(failure->detail, FAILURE_DETAIL, " ");
        append_text(failure->detail, FAILURE_DETAIL, subject);
    }
    return -1;
}

int fail(struct failure *failure, const char *what, const char *subject) {
    return fail_with(failure, errno, what, subject);
}
