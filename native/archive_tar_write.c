#include "archive_tar_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_BYTES = 100, NUMBER_BYTES = 32 };

/* Largest values of the octal fields. */
static const uint64_t MAX_ID = 07777777, MAX_SIZE = 077777777777;

struct text {
    char *bytes;
    size_t length, room;
};

int output_flush(struct tar_output *output) {
    if (!output->unhashed) sha256_update(&output->hash, output->used, output->buffer);
    output->size += output->used;
    for (size_t done = output->fd < 0 ? output->used : 0; done < output->used;) {
        ssize_t count = write(output->fd, output->buffer + done, output->used - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return archive_fail_errno(output->failure, errno, "write of the archive");
        done += (size_t)count;
    }
    output->used = 0;
    return 0;
}

int output_write(struct tar_output *output, const void *bytes, size_t count) {
    const unsigned char *at = bytes;
    while (count > 0) {
        if (output->used == sizeof output->buffer && output_flush(output) < 0) return -1;
        size_t room = sizeof output->buffer - output->used;
        size_t part = count < room ? count : room;
        memcpy(output->buffer + output->used, at, part);
        output->used += part;
        at += part;
        count -= part;
    }
    return 0;
}

int output_zeros(struct tar_output *output, uint64_t count) {
    static const unsigned char zeros[8192];
    while (count > 0) {
        size_t part = count < sizeof zeros ? (size_t)count : sizeof zeros;
        if (output_write(output, zeros, part) < 0) return -1;
        count -= part;
    }
    return 0;
}

static int append(struct text *text, const void *bytes, size_t length, struct archive_failure *failure) {
    if (text->bytes == NULL || text->length + length > text->room) {
        size_t room = (text->length + length + 1) * 2;
        char *grown = realloc(text->bytes, room);
        if (grown == NULL) return archive_fail_errno(failure, errno, "memory for an extended header");
        text->bytes = grown;
        text->room = room;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    return 0;
}

/* "LENGTH key=value\n", LENGTH counting its own digits. */
static int record(struct text *text, const char *prefix, const char *key, const void *value, size_t length,
                  struct archive_failure *failure) {
    size_t rest = 1 + strlen(prefix) + strlen(key) + 1 + length + 1, total = rest;
    char digits[NUMBER_BYTES];
    for (size_t before = 0; before != total;) {
        before = total;
        total = rest + (size_t)snprintf(digits, sizeof digits, "%zu", before);
    }
    if (append(text, digits, strlen(digits), failure) < 0 || append(text, " ", 1, failure) < 0) return -1;
    if (append(text, prefix, strlen(prefix), failure) < 0 || append(text, key, strlen(key), failure) < 0) return -1;
    if (append(text, "=", 1, failure) < 0 || append(text, value, length, failure) < 0) return -1;
    return append(text, "\n", 1, failure);
}

static int number_record(struct text *text, const char *key, uint64_t value, struct archive_failure *failure) {
    char digits[NUMBER_BYTES];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, value);
    return record(text, "", key, digits, (size_t)length, failure);
}

static int time_record(struct text *text, struct timespec time, struct archive_failure *failure) {
    char digits[NUMBER_BYTES * 2];
    int64_t seconds = time.tv_sec;
    long nanoseconds = time.tv_nsec;
    const char *sign = "";
    if (seconds < 0) { /* -1.25 s is kept as -2 s and 750,000,000 ns. */
        sign = "-";
        seconds = -seconds;
        if (nanoseconds > 0) {
            seconds -= 1;
            nanoseconds = 1000000000 - nanoseconds;
        }
    }
    int length = nanoseconds == 0 ? snprintf(digits, sizeof digits, "%s%" PRId64, sign, seconds)
                                  : snprintf(digits, sizeof digits, "%s%" PRId64 ".%09ld", sign, seconds, nanoseconds);
    return record(text, "", "mtime", digits, (size_t)length, failure);
}

static bool is_plain(const char *name) {
    for (; *name != 0; name++)
        if ((unsigned char)*name >= 0x80) return false;
    return true;
}

static void octal(unsigned char *field, size_t size, uint64_t value) {
    for (size_t at = size - 1; at-- > 0; value >>= 3) field[at] = (unsigned char)('0' + (value & 7));
}

/* The 512 bytes; what does not fit is cut, and stands in the extended header before it. */
static void fill_block(unsigned char block[TAR_BLOCK], char flag, const char *path, const char *link,
                       const struct tar_entry *entry, uint64_t stored) {
    memset(block, 0, TAR_BLOCK);
    memcpy(block, path, strnlen(path, NAME_BYTES));
    octal(block + 100, 8, entry->mode);
    octal(block + 108, 8, entry->uid > MAX_ID ? 0 : entry->uid);
    octal(block + 116, 8, entry->gid > MAX_ID ? 0 : entry->gid);
    octal(block + 124, 12, stored > MAX_SIZE ? 0 : stored);
    bool representable = entry->mtime.tv_sec >= 0 && (uint64_t)entry->mtime.tv_sec <= MAX_SIZE;
    octal(block + 136, 12, representable ? (uint64_t)entry->mtime.tv_sec : 0);
    block[156] = (unsigned char)flag;
    memcpy(block + 157, link, strnlen(link, NAME_BYTES));
    memcpy(block + 257, "ustar\00000", 8);
    octal(block + 329, 8, entry->major);
    octal(block + 337, 8, entry->minor);
    memset(block + 148, ' ', 8);
    unsigned sum = 0;
    for (unsigned i = 0; i < TAR_BLOCK; i++) sum += block[i];
    octal(block + 148, 7, sum);
}

static int write_block(struct tar_output *output, char flag, const char *path, const char *link,
                       const struct tar_entry *entry, uint64_t stored) {
    unsigned char block[TAR_BLOCK];
    fill_block(block, flag, path, link, entry, stored);
    return output_write(output, block, sizeof block);
}

static int pad(struct tar_output *output, uint64_t size) {
    return output_zeros(output, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

static int write_extended(struct tar_output *output, const struct text *text) {
    if (text->length == 0) return 0;
    const struct tar_entry plain = {.mode = 0644};
    if (write_block(output, 'x', "PaxHeader", "", &plain, text->length) < 0) return -1;
    if (output_write(output, text->bytes, text->length) < 0) return -1;
    return pad(output, text->length);
}

static int sparse_map(struct text *map, const struct tar_entry *entry, struct archive_failure *failure) {
    char line[NUMBER_BYTES * 2];
    int length = snprintf(line, sizeof line, "%zu\n", entry->extent_count);
    if (append(map, line, (size_t)length, failure) < 0) return -1;
    for (size_t i = 0; i < entry->extent_count; i++) {
        length = snprintf(line, sizeof line, "%" PRIu64 "\n%" PRIu64 "\n", entry->extents[i].offset, entry->extents[i].length);
        if (append(map, line, (size_t)length, failure) < 0) return -1;
    }
    static const char zeros[TAR_BLOCK];
    return append(map, zeros, (TAR_BLOCK - map->length % TAR_BLOCK) % TAR_BLOCK, failure);
}

static int extend(struct text *text, const struct tar_entry *entry, const char *path, uint64_t stored,
                  struct archive_failure *failure) {
    int bad = 0;
    if (entry->sparse) {
        bad |= record(text, "", "GNU.sparse.major", "1", 1, failure);
        bad |= record(text, "", "GNU.sparse.minor", "0", 1, failure);
        bad |= record(text, "", "GNU.sparse.name", path, strlen(path), failure);
        bad |= number_record(text, "GNU.sparse.realsize", entry->size, failure);
    } else if (strlen(path) > NAME_BYTES || !is_plain(path)) {
        bad |= record(text, "", "path", path, strlen(path), failure);
    }
    if (strlen(entry->link) > NAME_BYTES || !is_plain(entry->link))
        bad |= record(text, "", "linkpath", entry->link, strlen(entry->link), failure);
    if (entry->uid > MAX_ID) bad |= number_record(text, "uid", entry->uid, failure);
    if (entry->gid > MAX_ID) bad |= number_record(text, "gid", entry->gid, failure);
    if (stored > MAX_SIZE) bad |= number_record(text, "size", stored, failure);
    if (entry->mtime.tv_nsec != 0 || entry->mtime.tv_sec < 0 || (uint64_t)entry->mtime.tv_sec > MAX_SIZE)
        bad |= time_record(text, entry->mtime, failure);
    for (size_t i = 0; i < entry->xattr_count; i++)
        bad |= record(text, "SCHILY.xattr.", entry->xattrs[i].name, entry->xattrs[i].value, entry->xattrs[i].length, failure);
    return bad;
}

int tar_write_header(struct tar_output *output, const struct tar_entry *entry) {
    static const char flags[] = {
        [TAR_FILE] = '0',      [TAR_HARDLINK] = '1',  [TAR_SYMLINK] = '2', [TAR_CHARACTER] = '3',
        [TAR_BLOCK_DEVICE] = '4', [TAR_DIRECTORY] = '5', [TAR_FIFO] = '6',
    };
    struct text text = {0}, map = {0};
    uint64_t stored = entry->stored;
    size_t length = strlen(entry->path);
    char *path = malloc(length + 2);
    if (path == NULL) return archive_fail_errno(output->failure, errno, "memory for a name");
    memcpy(path, entry->path, length + 1);
    if (entry->type == TAR_DIRECTORY) memcpy(path + length, "/", 2);
    int result = entry->sparse ? sparse_map(&map, entry, output->failure) : 0;
    stored += map.length;
    if (result == 0) result = extend(&text, entry, path, stored, output->failure);
    if (result == 0) result = write_extended(output, &text);
    if (result == 0) result = write_block(output, flags[entry->type], path, entry->link, entry, stored);
    if (result == 0 && map.length > 0) result = output_write(output, map.bytes, map.length);
    free(path);
    free(text.bytes);
    free(map.bytes);
    return result;
}

int tar_write_end(struct tar_output *output) {
    if (output_zeros(output, (uint64_t)2 * TAR_BLOCK) < 0) return -1;
    return output_flush(output);
}
