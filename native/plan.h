/* A launch plan in memory: parsed and checked as a whole before anything of it is executed. See ARCHITECTURE.md. */
#ifndef GANTRY_PLAN_H
#define GANTRY_PLAN_H

#include <stddef.h>
#include <stdint.h>

#define PLAN_VERSION 1
#define PLAN_HEADER_BYTES 32
#define PLAN_MAX_BYTES (4u << 20)
#define PLAN_MAX_OPERATIONS 2048
#define PLAN_MAX_FIELDS 8
#define PLAN_START_ON_REQUEST 1u
/* The shim does not stay as the parent: it ends when the process stands before execve(2), or has passed it. */
#define PLAN_LEAVE 2u

enum phase { PHASE_HOST, PHASE_CLONE, PHASE_LINK, PHASE_CONTAINER };

enum opcode {
#define OP(code, name, text, phase, fields) OP_##name = (code),
#include "operations.def"
#undef OP
};

/* One field: the member that its letter in operations.def says. Pointers lie in the plan's own buffer. */
struct field {
    uint64_t u;
    /* string (NUL-terminated) or bytes; of a list: its first string's length word */
    const char *s;
    /* length in bytes, or count of a list */
    uint32_t n;
};

struct operation {
    uint16_t code;
    uint16_t index;
    struct field f[PLAN_MAX_FIELDS];
};

struct plan {
    uint32_t flags;
    uint16_t count;
    struct operation operations[PLAN_MAX_OPERATIONS];
};

/*
 * Parse `size` bytes. Returns NULL, or a sentence that says why the plan is refused. `plan` points into `bytes` and
 * must not outlive it.
 */
const char *plan_parse(const uint8_t *bytes, size_t size, struct plan *plan);

/* The same for operations that launch nothing by themselves, such as the mounts of a container alone. */
const char *plan_parse_part(const uint8_t *bytes, size_t size, struct plan *plan);

/* The first operation of a kind; NULL when the plan has none. */
const struct operation *plan_find(const struct plan *plan, uint16_t code);

/* "rootfs-overlay" of OP_ROOTFS_OVERLAY; NULL for a code that does not exist. */
const char *plan_operation_name(uint16_t code);
enum phase plan_operation_phase(uint16_t code);

/* Walk a list field: `cursor` starts as field->s; returns the string and moves on. Call field->n times. */
const char *plan_list_next(const char **cursor);

/* CRC-32 (IEEE 802.3, reflected) of a buffer. */
uint32_t plan_crc32(const uint8_t *bytes, size_t size);

#endif
