/* The interface of archive_source.h over bytes in memory, without a thread: the same input gives the same steps. */
#include "memory_source.h"

#include <stdlib.h>
#include <string.h>

struct archive_source {
    const unsigned char *at;
    size_t left;
    bool repair;
    struct archive_failure *failure;
};

struct archive_source *memory_source_open(const unsigned char *bytes, size_t size, bool repair, struct archive_failure *failure) {
    struct archive_source *source = malloc(sizeof *source);
    if (source) *source = (struct archive_source){.at = bytes, .left = size, .repair = repair, .failure = failure};
    return source;
}

void source_close(struct archive_source *source) {
    free(source);
}

int64_t source_peek(struct archive_source *source, const unsigned char **bytes) {
    *bytes = source->at;
    return (int64_t)source->left;
}

void source_take(struct archive_source *source, size_t count) {
    if (count > source->left) abort();
    source->at += count;
    source->left -= count;
}

/* Seven octal digits and a zero byte, the sum of the block with spaces in their place. */
static void repair_checksum(unsigned char block[TAR_BLOCK]) {
    enum { FIELD = 148, DIGITS = 7 };
    unsigned sum = 0;
    memset(block + FIELD, ' ', DIGITS + 1);
    for (unsigned i = 0; i < TAR_BLOCK; i++) sum += block[i];
    block[FIELD + DIGITS] = 0;
    for (unsigned i = DIGITS; i-- > 0; sum >>= 3) block[FIELD + i] = (unsigned char)('0' + (sum & 7));
}

static bool is_zero(const unsigned char *bytes, size_t count) {
    while (count > 0 && bytes[count - 1] == 0) count--;
    return count == 0;
}

int source_read(struct archive_source *source, void *bytes, size_t count) {
    if (source->left == 0 && count > 0) return 0;
    if (count > source->left) return archive_fail(source->failure, ARCHIVE_BAD, "unexpected end of the archive");
    memcpy(bytes, source->at, count);
    source_take(source, count);
    if (source->repair && count == TAR_BLOCK && !is_zero(bytes, count)) repair_checksum(bytes);
    return 1;
}

int source_skip(struct archive_source *source, uint64_t count) {
    if (count > source->left) return archive_fail(source->failure, ARCHIVE_BAD, "unexpected end of the archive");
    source_take(source, (size_t)count);
    return 0;
}
