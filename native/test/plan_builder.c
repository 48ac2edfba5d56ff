#include "plan_builder.h"

#include <sched.h>
#include <string.h>

#include "check.h"

struct sample {
    uint16_t code;
    const char *name, *fields;
};

static const struct sample samples[] = {
#define OP(code, name, text, phase, fields) {(code), (text), (fields)},
#include "../operations.def"
#undef OP
};

static void put(struct plan_builder *builder, const void *bytes, size_t size) {
    CHECK(size <= sizeof builder->bytes - builder->used);
    if (size) memcpy(builder->bytes + builder->used, bytes, size);
    builder->used += size;
}

static void close_operation(struct plan_builder *builder) {
    if (!builder->operation) return;
    uint32_t length = (uint32_t)(builder->used - builder->operation - 8);
    memcpy(builder->bytes + builder->operation + 4, &length, sizeof length);
    builder->operation = 0;
}

void build_begin(struct plan_builder *builder) {
    *builder = (struct plan_builder){.used = PLAN_HEADER_BYTES};
}

void build_operation(struct plan_builder *builder, uint16_t code) {
    close_operation(builder);
    builder->operation = builder->used;
    builder->count++;
    put(builder, &(uint32_t){code}, 4);
    put(builder, &(uint32_t){0}, 4);
}

void build_u(struct plan_builder *builder, uint64_t value) {
    put(builder, &value, sizeof value);
}

void build_b(struct plan_builder *builder, const void *bytes, uint32_t size) {
    put(builder, &size, sizeof size);
    put(builder, bytes, size);
}

void build_s(struct plan_builder *builder, const char *text) {
    build_b(builder, text, (uint32_t)strlen(text));
    put(builder, "", 1);
}

void build_l(struct plan_builder *builder, const char *const *texts) {
    uint32_t count = 0;
    while (texts[count]) count++;
    put(builder, &count, sizeof count);
    for (uint32_t i = 0; i < count; i++) build_s(builder, texts[i]);
}

void build_sample(struct plan_builder *builder, uint16_t code) {
    static const char *const list[] = {"one", "", "three", NULL};
    uint64_t number = code == OP_NAMESPACE_NEW || code == OP_NAMESPACE_JOIN ? CLONE_NEWNET : code == OP_DEVICE ? 'c' : 1;
    const struct sample *sample = samples;
    while (sample->code != code) sample++;
    build_operation(builder, code);
    for (const char *letter = sample->fields; *letter; letter++) {
        if (*letter == 'u') build_u(builder, number);
        else if (*letter == 's') build_s(builder, "text");
        else if (*letter == 'b') build_b(builder, "\1\0\0\0\2\0\0\0", 8);
        else build_l(builder, list);
    }
}

size_t build_header(struct plan_builder *builder) {
    close_operation(builder);
    uint32_t words[6] = {PLAN_VERSION, builder->count, (uint32_t)builder->used, 0, builder->flags, 0};
    words[3] = plan_crc32(builder->bytes + PLAN_HEADER_BYTES, builder->used - PLAN_HEADER_BYTES);
    memcpy(builder->bytes, "GNTRPLAN", 8);
    memcpy(builder->bytes + 8, words, sizeof words);
    return builder->used;
}

size_t build_end(struct plan_builder *builder) {
    build_operation(builder, OP_EXEC);
    build_l(builder, (const char *const[]){"true", NULL});
    return build_header(builder);
}
