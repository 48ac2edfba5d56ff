#include "archive_source.h"

#include <archive.h>
#include <errno.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 8, SLOT_BYTES = 1 << 19, READ_BYTES = 1 << 20 };

struct slot {
    size_t length;
    unsigned char *bytes;
};

struct archive_source {
    int fd;
    int copy_fd;
    struct source_limit limit;
    struct archive_failure *failure;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Slots [read, write) are full; both only grow. */
    uint64_t read, write;
    bool ended, stopped;
    struct archive_failure reader_failure;

    /* Of the consumer alone: how much of the slot at `read` is taken. */
    size_t offset;

    /* Of the thread alone until it has ended. */
    struct sha256_ctx hash;
    uint64_t size, read_bytes;
    struct slot slots[SLOTS];
    unsigned char input[READ_BYTES];
};

static la_ssize_t read_input(struct archive *archive, void *context, const void **buffer) {
    struct archive_source *source = context;
    for (;;) {
        ssize_t count = read(source->fd, source->input, sizeof source->input);
        if (count >= 0) {
            source->read_bytes += (uint64_t)count;
            *buffer = source->input;
            return count;
        }
        if (errno == EINTR) continue;
        archive_set_error(archive, errno, "read of the archive: %s", strerror(errno));
        return -1;
    }
}

static bool wait_for_free_slot(struct archive_source *source) {
    pthread_mutex_lock(&source->lock);
    while (source->write - source->read == SLOTS && !source->stopped)
        pthread_cond_wait(&source->changed, &source->lock);
    bool stopped = source->stopped;
    pthread_mutex_unlock(&source->lock);
    return !stopped;
}

static bool is_stopped(struct archive_source *source) {
    pthread_mutex_lock(&source->lock);
    bool stopped = source->stopped;
    pthread_mutex_unlock(&source->lock);
    return stopped;
}

static void publish_slot(struct archive_source *source) {
    pthread_mutex_lock(&source->lock);
    source->write++;
    pthread_cond_signal(&source->changed);
    pthread_mutex_unlock(&source->lock);
}

static int copy_out(struct archive_source *source, const unsigned char *bytes, size_t length) {
    while (length > 0) {
        ssize_t count = write(source->copy_fd, bytes, length);
        if (count < 0) {
            if (errno == EINTR) continue;
            return archive_fail_errno(&source->reader_failure, errno, "write of the uncompressed archive");
        }
        bytes += count;
        length -= (size_t)count;
    }
    return 0;
}

static uint64_t allowed_bytes(const struct archive_source *source) {
    uint64_t bytes = source->limit.bytes, ratio = source->limit.ratio;
    if (ratio == 0 || source->read_bytes <= bytes / ratio) return bytes;
    return source->read_bytes > UINT64_MAX / ratio ? UINT64_MAX : source->read_bytes * ratio;
}

static int pump(struct archive_source *source, struct archive *archive) {
    for (;;) {
        if (!wait_for_free_slot(source)) return 0;
        struct slot *slot = &source->slots[source->write % SLOTS];
        slot->length = 0;
        while (slot->length < SLOT_BYTES) {
            la_ssize_t count = archive_read_data(archive, slot->bytes + slot->length, SLOT_BYTES - slot->length);
            if (count < 0) {
                const char *reason = archive_error_string(archive);
                return archive_fail(&source->reader_failure, ARCHIVE_BAD, "cannot decompress the archive: %s",
                                    reason == NULL ? "unknown error" : reason);
            }
            if (count == 0) break;
            slot->length += (size_t)count;
        }
        if (slot->length == 0) return 0;
        sha256_update(&source->hash, slot->length, slot->bytes);
        source->size += slot->length;
        if (source->size > allowed_bytes(source))
            return archive_fail(&source->reader_failure, ARCHIVE_BAD,
                                "the archive unpacks to over %" PRIu64 " bytes, out of all proportion to its size",
                                allowed_bytes(source));
        if (source->copy_fd >= 0 && copy_out(source, slot->bytes, slot->length) < 0) return -1;
        publish_slot(source);
    }
}

static int read_all(struct archive_source *source) {
    struct archive *archive = archive_read_new();
    if (archive == NULL) return archive_fail_errno(&source->reader_failure, ENOMEM, "libarchive");
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_zstd(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_filter_bzip2(archive);
    archive_read_support_format_raw(archive);
    archive_read_support_format_empty(archive);
    struct archive_entry *entry;
    int result = 0;
    if (archive_read_open(archive, source, NULL, read_input, NULL) != ARCHIVE_OK)
        result = archive_fail(&source->reader_failure, ARCHIVE_BAD, "cannot read the archive: %s",
                              archive_error_string(archive));
    else if (archive_read_next_header(archive, &entry) == ARCHIVE_OK)
        result = pump(source, archive);
    /* Whatever follows the compressed stream is read too, so that the writer of a pipe never meets SIGPIPE. */
    const void *rest;
    while (result == 0 && !is_stopped(source) && read_input(archive, source, &rest) > 0) continue;
    archive_read_free(archive);
    return result;
}

static void free_source(struct archive_source *source) {
    for (int i = 0; i < SLOTS; i++) free(source->slots[i].bytes);
    pthread_cond_destroy(&source->changed);
    pthread_mutex_destroy(&source->lock);
    free(source);
}

static void *reader_thread(void *context) {
    struct archive_source *source = context;
    read_all(source);
    pthread_mutex_lock(&source->lock);
    bool abandoned = source->stopped;
    source->ended = true;
    pthread_cond_signal(&source->changed);
    pthread_mutex_unlock(&source->lock);
    if (abandoned) free_source(source);
    return NULL;
}

struct archive_source *source_open(int fd, int copy_fd, struct source_limit limit, struct archive_failure *failure) {
    struct archive_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        archive_fail_errno(failure, errno, "memory for the archive");
        return NULL;
    }
    source->fd = fd;
    source->copy_fd = copy_fd;
    source->limit = limit;
    source->failure = failure;
    sha256_init(&source->hash);
    pthread_mutex_init(&source->lock, NULL);
    pthread_cond_init(&source->changed, NULL);
    for (int i = 0; i < SLOTS; i++) {
        source->slots[i].bytes = malloc(SLOT_BYTES);
        if (source->slots[i].bytes == NULL) {
            archive_fail_errno(failure, errno, "memory for the archive");
            source_close(source);
            return NULL;
        }
    }
    int error = pthread_create(&source->thread, NULL, reader_thread, source);
    if (error != 0) {
        archive_fail_errno(failure, error, "pthread_create");
        source_close(source);
        return NULL;
    }
    source->started = true;
    return source;
}

int64_t source_peek(struct archive_source *source, const unsigned char **bytes) {
    pthread_mutex_lock(&source->lock);
    while (source->read == source->write && !source->ended) pthread_cond_wait(&source->changed, &source->lock);
    bool empty = source->read == source->write;
    pthread_mutex_unlock(&source->lock);
    if (empty) { /* The thread has ended: what it wrote is settled. */
        const struct archive_failure *failed = &source->reader_failure;
        if (failed->code == 0) return 0;
        archive_fail(source->failure, failed->code, "%s", failed->text);
        return -1;
    }
    struct slot *slot = &source->slots[source->read % SLOTS];
    *bytes = slot->bytes + source->offset;
    return (int64_t)(slot->length - source->offset);
}

void source_take(struct archive_source *source, size_t count) {
    source->offset += count;
    if (source->offset < source->slots[source->read % SLOTS].length) return;
    source->offset = 0;
    pthread_mutex_lock(&source->lock);
    source->read++;
    pthread_cond_signal(&source->changed);
    pthread_mutex_unlock(&source->lock);
}

int source_read(struct archive_source *source, void *target, size_t count) {
    unsigned char *at = target;
    size_t wanted = count;
    while (count > 0) {
        const unsigned char *bytes;
        int64_t available = source_peek(source, &bytes);
        if (available < 0) return -1;
        if (available == 0) {
            if (count == wanted) return 0;
            return archive_fail(source->failure, ARCHIVE_BAD, "unexpected end of the archive");
        }
        size_t part = (uint64_t)available < count ? (size_t)available : count;
        memcpy(at, bytes, part);
        source_take(source, part);
        at += part;
        count -= part;
    }
    return 1;
}

int source_skip(struct archive_source *source, uint64_t count) {
    while (count > 0) {
        const unsigned char *bytes;
        int64_t available = source_peek(source, &bytes);
        if (available < 0) return -1;
        if (available == 0) return archive_fail(source->failure, ARCHIVE_BAD, "unexpected end of the archive");
        size_t part = (uint64_t)available < count ? (size_t)available : (size_t)count;
        source_take(source, part);
        count -= part;
    }
    return 0;
}

int source_finish(struct archive_source *source, char digest[65], uint64_t *size) {
    for (;;) {
        const unsigned char *bytes;
        int64_t available = source_peek(source, &bytes);
        if (available < 0) return -1;
        if (available == 0) break;
        source_take(source, (size_t)available);
    }
    pthread_join(source->thread, NULL);
    source->started = false;
    unsigned char hash[SHA256_DIGEST_SIZE];
    sha256_digest(&source->hash, sizeof hash, hash);
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof hash; i++) {
        digest[2 * i] = digits[hash[i] >> 4];
        digest[2 * i + 1] = digits[hash[i] & 15];
    }
    digest[64] = 0;
    *size = source->size;
    return 0;
}

void source_close(struct archive_source *source) {
    if (source == NULL) return;
    if (source->started) {
        pthread_t thread = source->thread;
        pthread_mutex_lock(&source->lock);
        bool ended = source->ended;
        source->stopped = true;
        pthread_cond_signal(&source->changed);
        pthread_mutex_unlock(&source->lock);
        /* The thread may sit in a read(2) of a pipe that stays open: it is not awaited, and frees the source itself. */
        if (!ended) {
            pthread_detach(thread);
            return;
        }
        pthread_join(thread, NULL);
    }
    free_source(source);
}
