#include <sched.h>
#include <sys/stat.h>

#include "../plan.h"
#include "check.h"
#include "plan_builder.h"

static struct plan plan;
static struct plan_builder builder;

static const struct {
    uint16_t code;
    const char *name, *fields;
    enum phase phase;
} operations[] = {
#define OP(code, name, text, phase, fields) {(code), (text), (fields), (phase)},
#include "../operations.def"
#undef OP
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

/* A parse of exactly these bytes, at the end of a block, so that a read behind them is seen by the sanitizer. */
static const char *parse_alone(const uint8_t *bytes, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    CHECK(copy != NULL);
    if (size) memcpy(copy, bytes, size);
    const char *why = plan_parse(copy, size, &plan);
    free(copy);
    return why;
}

static const char *parse_built(void) {
    return parse_alone(builder.bytes, build_header(&builder));
}

/* What an operation cannot do without. */
static void begin_for(uint16_t code) {
    build_begin(&builder);
    if (code == OP_CONSOLE) build_sample(&builder, OP_STDIO);
    if (code == OP_START_SOCKET) builder.flags = PLAN_LEAVE;
}

TEST(plan_every_operation_is_read_field_by_field) {
    for (size_t i = 0; i < OPERATIONS; i++) {
        uint16_t code = operations[i].code;
        begin_for(code);
        uint16_t at = (uint16_t)builder.count;
        build_sample(&builder, code);
        size_t size = code == OP_EXEC ? build_header(&builder) : build_end(&builder);
        const char *why = plan_parse(builder.bytes, size, &plan);
        if (why) test_fail(__FILE__, __LINE__, "%s: %s", operations[i].name, why);
        const struct operation *op = &plan.operations[at];
        CHECK_NUMBER(op->code, code);
        CHECK_NUMBER(op->index, at);
        CHECK_TEXT(plan_operation_name(code), operations[i].name);
        CHECK_NUMBER(plan_operation_phase(code), operations[i].phase);
        for (size_t k = 0; operations[i].fields[k]; k++) {
            const struct field *field = &op->f[k];
            const char *cursor = field->s;
            switch (operations[i].fields[k]) {
            case 'u': CHECK(field->u > 0); break;
            case 's': CHECK_TEXT(field->s, "text"); CHECK_NUMBER(field->n, 4); break;
            case 'b': CHECK_NUMBER(field->n, 8); CHECK_NUMBER(field->s[4], 2); break;
            default:
                CHECK_NUMBER(field->n, 3);
                CHECK_TEXT(plan_list_next(&cursor), "one");
                CHECK_TEXT(plan_list_next(&cursor), "");
                CHECK_TEXT(plan_list_next(&cursor), "three");
            }
        }
    }
}

static void build_all(void) {
    begin_for(OP_START_SOCKET);
    for (size_t i = 0; i < OPERATIONS; i++)
        if (operations[i].code != OP_ROOTFS_BIND && operations[i].code != OP_EXEC && operations[i].code != OP_ADOPT)
            build_sample(&builder, operations[i].code);
    build_end(&builder);
}

TEST(plan_that_adopts_has_a_shim_that_stays) {
    begin_for(OP_START_SOCKET);
    build_sample(&builder, OP_ADOPT);
    build_end(&builder);
    CHECK_CONTAINS(plan_parse(builder.bytes, builder.used, &plan), "its shim does not stay");
}

TEST(plan_all_operations_in_one) {
    build_all();
    CHECK(plan_parse(builder.bytes, builder.used, &plan) == NULL);
    CHECK_NUMBER(plan.count, OPERATIONS - 2);
}

TEST(plan_cut_short_at_every_byte) {
    build_all();
    for (size_t size = 0; size < builder.used; size++) CHECK_CONTAINS(parse_alone(builder.bytes, size), "");
}

/* The same with a header that agrees with the cut: the checks of the operations themselves must notice. */
TEST(plan_cut_short_with_a_matching_header) {
    build_all();
    size_t whole = builder.used;
    for (size_t size = PLAN_HEADER_BYTES; size < whole; size++) {
        builder.used = size;
        CHECK_CONTAINS(parse_built(), "");
    }
}

TEST(plan_with_any_bit_turned) {
    build_begin(&builder);
    build_sample(&builder, OP_MOUNT);
    size_t size = build_end(&builder);
    for (size_t bit = 0; bit < size * 8; bit++) {
        builder.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        const char *why = parse_alone(builder.bytes, size);
        builder.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        /* The two bits that mean something else: start on request, and leave. */
        if (bit == 24 * 8 || bit == 24 * 8 + 1) CHECK(why == NULL);
        else CHECK_CONTAINS(why, "");
    }
}

TEST(plan_of_an_unknown_version) {
    for (uint32_t version = 0; version < 4; version++) {
        build_begin(&builder);
        size_t size = build_end(&builder);
        memcpy(builder.bytes + 8, &version, sizeof version);
        const char *why = parse_alone(builder.bytes, size);
        if (version == PLAN_VERSION) CHECK(why == NULL);
        else CHECK_CONTAINS(why, "unknown version");
    }
}

TEST(plan_that_is_none) {
    CHECK_CONTAINS(parse_alone((const uint8_t *)"", 0), "truncated");
    uint8_t zeros[64] = {0};
    CHECK_CONTAINS(parse_alone(zeros, sizeof zeros), "not a launch plan");
    uint8_t *large = calloc(1, PLAN_MAX_BYTES + 1);
    CHECK(large != NULL);
    CHECK_CONTAINS(plan_parse(large, PLAN_MAX_BYTES + 1, &plan), "too large");
    free(large);
}

TEST(plan_with_unknown_flags) {
    build_begin(&builder);
    build_end(&builder);
    builder.flags = 4;
    CHECK_CONTAINS(parse_built(), "unknown flags");
    builder.flags = PLAN_START_ON_REQUEST;
    CHECK(plan_parse(builder.bytes, build_header(&builder), &plan) == NULL);
    CHECK_NUMBER(plan.flags, PLAN_START_ON_REQUEST);
    builder.bytes[28] = 1;
    CHECK_CONTAINS(parse_alone(builder.bytes, builder.used), "unknown flags");
}

TEST(plan_with_an_unknown_operation) {
    build_begin(&builder);
    build_operation(&builder, 999);
    build_end(&builder);
    CHECK_CONTAINS(parse_built(), "unknown operation");
    build_begin(&builder);
    build_sample(&builder, OP_PIVOT_ROOT);
    builder.bytes[PLAN_HEADER_BYTES + 2] = 1;
    build_end(&builder);
    CHECK_CONTAINS(parse_built(), "unknown flags");
}

/* Counts and lengths from one too few to more than there can be. */
TEST(plan_with_wrong_lengths) {
    static const uint32_t wrong[] = {0, 1, 3, 5, 6, 100, 0x7fffffff, 0xfffffffa, 0xfffffffb, 0xfffffffc, 0xffffffff};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        build_begin(&builder);
        build_sample(&builder, OP_HOSTNAME);
        build_end(&builder);
        memcpy(builder.bytes + PLAN_HEADER_BYTES + 8, &wrong[i], 4);
        CHECK_CONTAINS(parse_built(), "malformed");
        build_begin(&builder);
        build_sample(&builder, OP_HOSTNAME);
        build_end(&builder);
        memcpy(builder.bytes + PLAN_HEADER_BYTES + 4, &wrong[i], 4);
        CHECK_CONTAINS(parse_built(), "");
        build_begin(&builder);
        build_end(&builder);
        builder.count = wrong[i];
        if (wrong[i] != 1) CHECK_CONTAINS(parse_built(), "");
    }
}

TEST(plan_with_wrong_counts_of_a_list) {
    static const uint32_t wrong[] = {0, 2, 4, 0x7fffffff, 0xffffffff};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        build_begin(&builder);
        build_sample(&builder, OP_ENVIRONMENT);
        build_end(&builder);
        memcpy(builder.bytes + PLAN_HEADER_BYTES + 8, &wrong[i], 4);
        CHECK_CONTAINS(parse_built(), "operation");
    }
}

TEST(plan_with_a_zero_byte_in_a_string) {
    build_begin(&builder);
    build_sample(&builder, OP_HOSTNAME);
    build_end(&builder);
    builder.bytes[PLAN_HEADER_BYTES + 8 + 4 + 1] = 0;
    CHECK_CONTAINS(parse_built(), "malformed");
}

TEST(plan_without_a_program) {
    build_begin(&builder);
    CHECK_CONTAINS(parse_built(), "empty");
    build_sample(&builder, OP_HOSTNAME);
    CHECK_CONTAINS(parse_built(), "does not end with a program");
    build_begin(&builder);
    build_operation(&builder, OP_EXEC);
    build_l(&builder, (const char *const[]){NULL});
    CHECK_CONTAINS(parse_built(), "does not end with a program");
    build_begin(&builder);
    build_sample(&builder, OP_EXEC);
    build_sample(&builder, OP_HOSTNAME);
    CHECK_CONTAINS(parse_built(), "does not end with a program");
}

TEST(plan_with_too_much_of_something) {
    build_begin(&builder);
    for (int i = 0; i < PLAN_MAX_OPERATIONS; i++) build_sample(&builder, OP_PIVOT_ROOT);
    build_end(&builder);
    CHECK_CONTAINS(parse_built(), "too many");
    static const uint16_t once[] = {OP_STDIO,      OP_LOG_FILE, OP_OOM_WATCH, OP_PIVOT_ROOT, OP_USER,
                                    OP_EXEC,       OP_CONSOLE,  OP_ID_MAP,    OP_SECCOMP,    OP_CAPABILITIES,
                                    OP_ENVIRONMENT, OP_INIT,    OP_START_SOCKET, OP_CONSOLE_SOCKET, OP_STDIO_INHERITED};
    for (size_t i = 0; i < sizeof once / sizeof *once; i++) {
        begin_for(once[i]);
        build_sample(&builder, once[i]);
        build_sample(&builder, once[i]);
        build_end(&builder);
        CHECK_CONTAINS(parse_built(), "only be once");
    }
    build_begin(&builder);
    build_sample(&builder, OP_ROOTFS_BIND);
    build_sample(&builder, OP_ROOTFS_OVERLAY);
    build_end(&builder);
    CHECK_CONTAINS(parse_built(), "two root file systems");
}

/* Values that no part of the executor would know what to do with are refused before anything is executed. */
static const char *parse_with_number(uint16_t code, size_t field, uint64_t value) {
    build_begin(&builder);
    build_sample(&builder, code);
    size_t at = PLAN_HEADER_BYTES + 8;
    const char *fields = "";
    for (size_t i = 0; i < OPERATIONS; i++)
        if (operations[i].code == code) fields = operations[i].fields;
    for (size_t i = 0; i < field; i++) at += fields[i] == 'u' ? 8 : fields[i] == 's' ? 9 : 12;
    memcpy(builder.bytes + at, &value, sizeof value);
    build_end(&builder);
    return parse_built();
}

TEST(plan_with_an_unknown_kind_of_namespace) {
    static const uint64_t unknown[] = {0, 1, CLONE_NEWNET | CLONE_NEWNS, CLONE_VM, 1ull << 32 | CLONE_NEWNET, UINT64_MAX};
    static const uint64_t known[] = {CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUSER, CLONE_NEWCGROUP, CLONE_NEWTIME};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        CHECK_CONTAINS(parse_with_number(OP_NAMESPACE_NEW, 0, unknown[i]), "value");
        CHECK_CONTAINS(parse_with_number(OP_NAMESPACE_JOIN, 0, unknown[i]), "value");
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        CHECK(parse_with_number(OP_NAMESPACE_NEW, 0, known[i]) == NULL);
        CHECK(parse_with_number(OP_NAMESPACE_JOIN, 0, known[i]) == NULL);
    }
}

TEST(plan_with_values_out_of_range) {
    static const struct {
        uint16_t code;
        size_t field;
        uint64_t value;
    } wrong[] = {
        {OP_CGROUP_CREATE, 1, 0},      {OP_CGROUP_JOIN, 1, 3},         {OP_OOM_WATCH, 1, 1ull << 32 | 1},
        {OP_DEVICE, 1, 'x'},           {OP_USER, 0, 2},                {OP_USER, 1, UINT32_MAX},
        {OP_USER, 1, 1ull << 32},      {OP_USER, 2, UINT32_MAX},       {OP_DEVICE, 5, UINT32_MAX},
        {OP_DEVICE, 6, 1ull << 32},    {OP_LOG_FILE, 2, 1ull << 32},   {OP_RLIMIT, 0, 1ull << 32},
        {OP_STDIO, 3, 65536},          {OP_STDIO, 4, 65536},           {OP_DEVICE, 2, 1ull << 32},
        {OP_DEVICE, 3, 1ull << 32},    {OP_DEVICE, 4, 010000},         {OP_MOUNT, 5, 010000},
        {OP_NETLINK, 1, 1ull << 32},   {OP_MOUNT, 3, 1ull << 32},      {OP_STDIO_INHERITED, 0, 1025},
        {OP_PERSONALITY, 0, 1ull << 32}, {OP_SCHEDULER, 0, 1ull << 32}, {OP_IO_PRIORITY, 0, 65536},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *why = parse_with_number(wrong[i].code, wrong[i].field, wrong[i].value);
        if (!why || !strstr(why, "value")) test_fail(__FILE__, __LINE__, "case %zu: %s", i, why ? why : "accepted");
    }
}

/* uid -1 means "leave as it is" to setresuid(2): the process would stay root. */
TEST(plan_with_groups_that_are_none) {
    static const char *const none[] = {NULL};
    static const struct {
        const char *bytes;
        uint32_t size;
    } wrong[] = {{"\1\0\0", 3}, {"\1\0\0\0\2", 5}, {"\1\0\0\0\xff\xff\xff\xff", 8}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        build_begin(&builder);
        build_operation(&builder, OP_USER);
        for (int k = 0; k < 3; k++) build_u(&builder, 0);
        build_b(&builder, wrong[i].bytes, wrong[i].size);
        build_s(&builder, "");
        build_s(&builder, "");
        build_l(&builder, none);
        build_u(&builder, 0);
        build_end(&builder);
        CHECK_CONTAINS(parse_built(), "value");
    }
}

TEST(plan_with_a_console_but_no_terminal) {
    build_begin(&builder);
    build_sample(&builder, OP_CONSOLE);
    build_end(&builder);
    CHECK_CONTAINS(parse_built(), "console");
    build_begin(&builder);
    build_operation(&builder, OP_STDIO);
    for (int i = 0; i < 5; i++) build_u(&builder, 0);
    build_sample(&builder, OP_CONSOLE);
    build_end(&builder);
    CHECK_CONTAINS(parse_built(), "console");
}

TEST(plan_with_a_start_socket_but_a_shim_that_stays) {
    build_begin(&builder);
    build_sample(&builder, OP_START_SOCKET);
    build_end(&builder);
    CHECK_CONTAINS(parse_built(), "start socket");
}

TEST(plan_checksum_is_crc32) {
    CHECK_NUMBER(plan_crc32((const uint8_t *)"123456789", 9), 0xcbf43926u);
    CHECK_NUMBER(plan_crc32((const uint8_t *)"", 0), 0);
}

/* The seeds of the fuzzing are plans as the engine writes them: each is accepted, or fuzzing starts from nothing. */
TEST(plan_every_seed_is_accepted) {
    static const char *const seeds[] = {"container", "unified", "exec", "user-namespace", "runtime", "smallest"};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        char path[1024];
        struct stat st;
        snprintf(path, sizeof path, "%s/fuzz/seeds/plan/%s.plan", getenv("GANTRY_NATIVE"), seeds[i]);
        CHECK_NUMBER(stat(path, &st), 0);
        char *bytes = test_read(path);
        const char *why = plan_parse((const uint8_t *)bytes, (size_t)st.st_size, &plan);
        if (why) test_fail(__FILE__, __LINE__, "%s: %s", seeds[i], why);
        free(bytes);
    }
}
