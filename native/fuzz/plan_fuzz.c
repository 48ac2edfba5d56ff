/*
 * libFuzzer on the plan parser. Each input is parsed as it is, and once more behind a header that agrees with it, for
 * without that only the checksum would be tested. What is accepted must be whole: every field is read to its last byte.
 */
#include <stdlib.h>
#include <string.h>

#include "../plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct plan plan;
/* A use of all that is read, which no compiler can leave out. */
extern size_t bytes_read;
size_t bytes_read;

static const char *const fields_of[] = {
#define OP(code, name, text, phase, fields) [code] = (fields),
#include "../operations.def"
#undef OP
};

static size_t read_string(const char *text, uint32_t length) {
    if (strlen(text) != length) abort();
    return length;
}

static size_t read_field(char letter, const struct field *field) {
    size_t sum = 0;
    const char *cursor = field->s;
    switch (letter) {
    case 's': return read_string(field->s, field->n);
    case 'b':
        for (uint32_t i = 0; i < field->n; i++) sum += (unsigned char)field->s[i];
        return sum;
    case 'l':
        for (uint32_t i = 0; i < field->n; i++) sum += strlen(plan_list_next(&cursor));
        return sum;
    default: return 0;
    }
}

static void parse(const uint8_t *bytes, size_t size) {
    const char *why = plan_parse(bytes, size, &plan);
    if (why) {
        if (!*why) abort();
        return;
    }
    if (plan.count == 0 || plan.operations[plan.count - 1].code != OP_EXEC) abort();
    for (uint16_t i = 0; i < plan.count; i++) {
        const struct operation *op = &plan.operations[i];
        if (op->index != i || !plan_operation_name(op->code)) abort();
        for (size_t k = 0; fields_of[op->code][k]; k++) bytes_read += read_field(fields_of[op->code][k], &op->f[k]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    parse(bytes, size);
    if (size < PLAN_HEADER_BYTES) return 0;
    /* At the end of a block of its own, so that a read behind it is seen. */
    uint8_t *copy = malloc(size);
    if (!copy) return 0;
    memcpy(copy, bytes, size);
    uint32_t version = PLAN_VERSION, total = (uint32_t)size, crc = plan_crc32(bytes + PLAN_HEADER_BYTES, size - PLAN_HEADER_BYTES);
    memcpy(copy, "GNTRPLAN", 8);
    memcpy(copy + 8, &version, 4);
    memcpy(copy + 16, &total, 4);
    memcpy(copy + 20, &crc, 4);
    memset(copy + 24, 0, 8);
    parse(copy, size);
    free(copy);
    return 0;
}
