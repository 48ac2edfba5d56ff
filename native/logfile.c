#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "failure.h"

/* Docker cuts lines that are longer; a reader puts them together again because only the last part has a newline. */
#define MAX_LINE 16384
#define MAX_ENTRY (6 * MAX_LINE + 128)
#define OUT_BYTES (4 * MAX_ENTRY)

static struct {
    int fd;
    uint64_t size, max_bytes;
    uint32_t max_files;
    char path[PATH_MAX];
} file = {.fd = -1};

static struct {
    uint32_t used;
    char bytes[MAX_LINE];
} unfinished[2];

static char out[OUT_BYTES];
static size_t out_used;
/* `out` begins inside an entry whose first part is in the file already */
static int is_torn;

int logfile_open(const char *path, uint64_t max_bytes, uint32_t max_files) {
    struct stat st;
    if (strlen(path) >= sizeof file.path - 16) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(file.path, path);
    file.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (file.fd < 0 || fstat(file.fd, &st)) return -1;
    file.size = (uint64_t)st.st_size;
    file.max_bytes = max_bytes;
    file.max_files = max_files ? max_files : 1;
    out_used = 0;
    is_torn = 0;
    return 0;
}

/*
 * A full disk loses log lines, not the container. Whole lines only: what is left of one that was cut is kept until there
 * is room, so that no reader ever meets half an entry with another behind it.
 */
static void flush(void) {
    size_t at = 0, keep = 0;
    while (at < out_used) {
        ssize_t written = write(file.fd, out + at, out_used - at);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) break;
        at += (size_t)written;
    }
    file.size += at;
    if (at > 0) is_torn = at < out_used && out[at - 1] != '\n';
    if (is_torn) {
        const char *newline = memchr(out + at, '\n', out_used - at);
        keep = (size_t)(newline - (out + at)) + 1;
        memmove(out, out + at, keep);
    }
    out_used = keep;
}

static void numbered(char *path, uint32_t number) {
    path[0] = 0;
    append_text(path, PATH_MAX, file.path);
    if (number == 0) return;
    append_text(path, PATH_MAX, ".");
    append_number(path, PATH_MAX, number);
}

/*
 * file.1 → file.2 …, file → file.1, and a new file, which is made first: when there can be none, all stays as it is and
 * the lines go on into the present one. A single file is emptied.
 */
static void rotate(void) {
    static char from[PATH_MAX], to[PATH_MAX], next[PATH_MAX];
    if (file.max_files == 1) {
        if (ftruncate(file.fd, 0) == 0) file.size = 0;
        return;
    }
    numbered(next, 0);
    append_text(next, sizeof next, ".next");
    int fresh = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fresh < 0) return;
    for (uint32_t number = file.max_files - 1; number > 0; number--) {
        numbered(from, number - 1);
        numbered(to, number);
        (void)rename(from, to);
    }
    (void)rename(next, file.path);
    close(file.fd);
    file.fd = fresh;
    file.size = 0;
}

static void put(const char *bytes, size_t size) {
    memcpy(out + out_used, bytes, size);
    out_used += size;
}

/* How a byte goes into a JSON string: as it is, as \u00XX, as a two-character escape, or as part of UTF-8. */
enum { PLAIN, HEX, SHORT, MULTI };

static uint8_t kinds[256];

static void fill_kinds(void) {
    for (int byte = 0; byte < 256; byte++) kinds[byte] = byte < 0x20 ? HEX : byte < 0x80 ? PLAIN : MULTI;
    kinds['"'] = kinds['\\'] = kinds['\n'] = kinds['\r'] = kinds['\t'] = SHORT;
    kinds['<'] = kinds['>'] = kinds['&'] = HEX;
}

/* Length of the valid UTF-8 sequence at `at` (Unicode 15, table 3-7), or 0. */
static size_t utf8_length(const unsigned char *at, size_t left) {
    unsigned char first = at[0];
    size_t length = first >= 0xf0 && first <= 0xf4 ? 4 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xc2 && first < 0xe0 ? 2 : 0;
    if (length == 0 || length > left) return 0;
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < length; i++)
        if (at[i] < 0x80 || at[i] > 0xbf) return 0;
    return length;
}

static size_t put_multi(const unsigned char *at, size_t left) {
    size_t length = utf8_length(at, left);
    if (length == 0) {
        put("\\ufffd", 6);
        return 1;
    }
    if (length == 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9))
        put(at[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
    else
        put((const char *)at, length);
    return length;
}

static void put_escaped(const char *bytes, size_t size) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = (const unsigned char *)bytes, *end = at + size;
    while (at < end) {
        const unsigned char *run = at;
        while (at < end && kinds[*at] == PLAIN) at++;
        put((const char *)run, (size_t)(at - run));
        if (at == end) break;
        if (kinds[*at] == MULTI) {
            at += put_multi(at, (size_t)(end - at));
            continue;
        }
        char escape[6] = {'\\', 'u', '0', '0', digits[*at >> 4], digits[*at & 15]};
        if (kinds[*at] == HEX) {
            put(escape, 6);
        } else {
            escape[1] = *at == '\n' ? 'n' : *at == '\r' ? 'r' : *at == '\t' ? 't' : (char)*at;
            put(escape, 2);
        }
        at++;
    }
}

/* "2006-01-02T15:04:05.000000000Z"; the calendar part is kept for the second it belongs to. */
static void put_time(void) {
    static char text[32] = "";
    static time_t second = -1;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != second) {
        struct tm parts;
        second = now.tv_sec;
        gmtime_r(&second, &parts);
        const int numbers[] = {parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec};
        text[0] = 0;
        append_number(text, sizeof text, (uint64_t)(parts.tm_year + 1900));
        for (size_t i = 0; i < 5; i++) {
            append_text(text, sizeof text, i < 2 ? "-" : i == 2 ? "T" : ":");
            if (numbers[i] < 10) append_text(text, sizeof text, "0");
            append_number(text, sizeof text, (uint64_t)numbers[i]);
        }
        strcpy(text + 19, ".000000000Z");
    }
    long nanoseconds = now.tv_nsec;
    for (int i = 28; i > 19; i--, nanoseconds /= 10) text[i] = (char)('0' + nanoseconds % 10);
    put(text, 30);
}

static void put_entry(int stream, const char *bytes, size_t size) {
    if (sizeof out - out_used < MAX_ENTRY) flush();
    if (file.max_bytes && file.size + out_used >= file.max_bytes) {
        flush();
        if (!is_torn) rotate();
    }
    put("{\"log\":\"", 8);
    put_escaped(bytes, size);
    put(stream == LOG_STDOUT ? "\",\"stream\":\"stdout\",\"time\":\"" : "\",\"stream\":\"stderr\",\"time\":\"", 28);
    put_time();
    put("\"}\n", 3);
}

static void put_unfinished(int stream) {
    if (unfinished[stream].used == 0) return;
    put_entry(stream, unfinished[stream].bytes, unfinished[stream].used);
    unfinished[stream].used = 0;
}

void logfile_append(int stream, const char *bytes, size_t size) {
    if (file.fd < 0) return;
    if (kinds['<'] == PLAIN) fill_kinds();
    while (size > 0) {
        uint32_t used = unfinished[stream].used;
        size_t room = MAX_LINE - used;
        size_t window = size < room ? size : room;
        const char *newline = memchr(bytes, '\n', window);
        size_t part = newline ? (size_t)(newline - bytes) + 1 : window;
        if (newline && used == 0) {
            put_entry(stream, bytes, part);
        } else {
            memcpy(unfinished[stream].bytes + used, bytes, part);
            unfinished[stream].used = used + (uint32_t)part;
            if (newline || unfinished[stream].used == MAX_LINE) put_unfinished(stream);
        }
        bytes += part;
        size -= part;
    }
    if (out_used) flush();
}

void logfile_finish(void) {
    if (file.fd < 0) return;
    if (kinds['<'] == PLAIN) fill_kinds();
    put_unfinished(LOG_STDOUT);
    put_unfinished(LOG_STDERR);
    if (out_used) flush();
}
