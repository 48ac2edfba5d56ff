#include "archive_failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int archive_fail(struct archive_failure *failure, int code, const char *format, ...) {
    if (failure->code != 0) return -1;
    failure->code = code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
    return -1;
}

int archive_fail_errno(struct archive_failure *failure, int error_number, const char *format, ...) {
    if (failure->code != 0) return -1;
    failure->code = ARCHIVE_SYSTEM;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
    size_t used = strlen(failure->text);
    snprintf(failure->text + used, sizeof failure->text - used, ": %s", strerror(error_number));
    return -1;
}

const char *archive_printable(const char *name, char *buffer, unsigned long size) {
    static const char digits[] = "0123456789abcdef";
    unsigned long at = 0;
    for (; *name != 0 && at + 5 < size; name++) {
        unsigned char byte = (unsigned char)*name;
        if (byte < 0x20 || byte == 0x7f || byte == '\\') {
            buffer[at++] = '\\';
            buffer[at++] = 'x';
            buffer[at++] = digits[byte >> 4];
            buffer[at++] = digits[byte & 15];
        } else {
            buffer[at++] = (char)byte;
        }
    }
    buffer[at] = 0;
    return buffer;
}
