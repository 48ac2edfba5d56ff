#include "plan.h"

#include <string.h>

#include "plan_check.h"

struct shape {
    uint16_t code;
    uint8_t phase;
    const char *name;
    const char *fields;
};

static const struct shape shapes[] = {
#define OP(code, name, text, phase, fields) {(code), (phase), (text), (fields)},
#include "operations.def"
#undef OP
};

static const struct shape *shape_of(uint16_t code) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (shapes[i].code == code) return &shapes[i];
    return NULL;
}

const char *plan_operation_name(uint16_t code) {
    const struct shape *shape = shape_of(code);
    return shape ? shape->name : NULL;
}

enum phase plan_operation_phase(uint16_t code) {
    const struct shape *shape = shape_of(code);
    return shape ? (enum phase)shape->phase : PHASE_HOST;
}

uint32_t plan_crc32(const uint8_t *bytes, size_t size) {
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

/* What is left to read. Every read checks its own length, so that no sum can overflow. */
struct reader {
    const uint8_t *at;
    size_t left;
};

static int read_bytes(struct reader *reader, void *out, size_t size) {
    if (reader->left < size) return -1;
    memcpy(out, reader->at, size);
    reader->at += size;
    reader->left -= size;
    return 0;
}

static int read_string(struct reader *reader, struct field *field) {
    uint32_t length;
    if (read_bytes(reader, &length, sizeof length)) return -1;
    if (length >= reader->left || reader->at[length] != 0 || memchr(reader->at, 0, length)) return -1;
    field->s = (const char *)reader->at;
    field->n = length;
    reader->at += length + 1;
    reader->left -= length + 1;
    return 0;
}

static int read_field(struct reader *reader, char letter, struct field *field) {
    switch (letter) {
    case 'u':
        return read_bytes(reader, &field->u, sizeof field->u);
    case 's':
        return read_string(reader, field);
    case 'b':
        if (read_bytes(reader, &field->n, sizeof field->n) || field->n > reader->left) return -1;
        field->s = (const char *)reader->at;
        reader->at += field->n;
        reader->left -= field->n;
        return 0;
    case 'l': {
        if (read_bytes(reader, &field->n, sizeof field->n)) return -1;
        field->s = (const char *)reader->at;
        struct field ignored;
        for (uint32_t i = 0; i < field->n; i++)
            if (read_string(reader, &ignored)) return -1;
        return 0;
    }
    default:
        return -1;
    }
}

const struct operation *plan_find(const struct plan *plan, uint16_t code) {
    for (uint16_t i = 0; i < plan->count; i++)
        if (plan->operations[i].code == code) return &plan->operations[i];
    return NULL;
}

const char *plan_list_next(const char **cursor) {
    uint32_t length;
    memcpy(&length, *cursor, sizeof length);
    const char *string = *cursor + sizeof length;
    *cursor = string + length + 1;
    return string;
}

static const char *parse_operation(struct reader *reader, struct operation *operation) {
    struct {
        uint16_t code;
        uint16_t flags;
        uint32_t length;
    } head;
    if (read_bytes(reader, &head, sizeof head)) return "the plan is truncated: an operation has no header";
    if (head.length > reader->left) return "the plan is truncated: an operation is longer than the plan";
    const struct shape *shape = shape_of(head.code);
    if (!shape) return "the plan holds an unknown operation";
    if (head.flags != 0) return "the plan holds an operation with unknown flags";
    struct reader body = {reader->at, head.length};
    reader->at += head.length;
    reader->left -= head.length;
    operation->code = head.code;
    size_t fields = strlen(shape->fields);
    for (size_t i = 0; i < fields; i++)
        if (read_field(&body, shape->fields[i], &operation->f[i])) return "the plan holds a malformed operation";
    return body.left == 0 ? NULL : "the plan holds an operation with bytes to spare";
}

static const char *parse(const uint8_t *bytes, size_t size, struct plan *plan) {
    struct {
        char magic[8];
        uint32_t version, count, total, crc, flags, reserved;
    } header;
    _Static_assert(sizeof header == PLAN_HEADER_BYTES, "the header has no padding");
    struct reader reader = {bytes, size};
    if (size > PLAN_MAX_BYTES) return "the plan is too large";
    if (read_bytes(&reader, &header, sizeof header)) return "the plan is truncated: it has no header";
    if (memcmp(header.magic, "GNTRPLAN", sizeof header.magic) != 0) return "this is not a launch plan";
    if (header.version != PLAN_VERSION) return "the plan has an unknown version";
    if (header.total != size) return "the plan is truncated: its size is not what its header says";
    if (header.crc != plan_crc32(reader.at, reader.left)) return "the plan is corrupt: its checksum is wrong";
    if ((header.flags & ~(PLAN_START_ON_REQUEST | PLAN_LEAVE)) != 0 || header.reserved != 0) return "the plan has unknown flags";
    if (header.count > PLAN_MAX_OPERATIONS) return "the plan has too many operations";
    memset(plan, 0, offsetof(struct plan, operations));
    plan->flags = header.flags;
    for (uint16_t i = 0; i < header.count; i++) {
        struct operation *operation = &plan->operations[i];
        memset(operation, 0, sizeof *operation);
        operation->index = i;
        const char *why = parse_operation(&reader, operation);
        if (why) return why;
        plan->count++;
    }
    return reader.left != 0 ? "the plan has bytes after its last operation" : NULL;
}

const char *plan_parse(const uint8_t *bytes, size_t size, struct plan *plan) {
    const char *refused = parse(bytes, size, plan);
    return refused ? refused : plan_check(plan);
}

const char *plan_parse_part(const uint8_t *bytes, size_t size, struct plan *plan) {
    const char *refused = parse(bytes, size, plan);
    return refused ? refused : plan_check_part(plan);
}
