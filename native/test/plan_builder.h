/* Plans for tests, written field by field as the encoder of src/runtime/plan/encode.ts does. */
#ifndef GANTRY_TEST_PLAN_BUILDER_H
#define GANTRY_TEST_PLAN_BUILDER_H

#include <stdint.h>

#include "../plan.h"

struct plan_builder {
    uint8_t bytes[1 << 16];
    size_t used;
    size_t operation;
    uint32_t count, flags;
};

void build_begin(struct plan_builder *builder);
void build_operation(struct plan_builder *builder, uint16_t code);
void build_u(struct plan_builder *builder, uint64_t value);
void build_s(struct plan_builder *builder, const char *text);
void build_b(struct plan_builder *builder, const void *bytes, uint32_t size);
/* A list, ended by NULL. */
void build_l(struct plan_builder *builder, const char *const *texts);
/* Fields that every operation of that code accepts. */
void build_sample(struct plan_builder *builder, uint16_t code);
/* The exec that ends every plan, and the header. Returns the size of the whole. */
size_t build_end(struct plan_builder *builder);
/* Only the header, with its checksum: for plans that were changed by hand. */
size_t build_header(struct plan_builder *builder);

#endif
