#include "plan_check.h"

#include <linux/sched.h>
#include <string.h>

#include "container.h"
#include "hooks.h"

/* Ids are 32 bits; all ones is no id but "leave as it is" to setresuid(2), which would leave the process root. */
static int is_id(uint64_t value) {
    return value < UINT32_MAX;
}

static int is_namespace(uint64_t value) {
    const uint64_t kinds = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUSER | CLONE_NEWCGROUP | CLONE_NEWTIME;
    return (value & ~kinds) == 0 && value != 0 && (value & (value - 1)) == 0;
}

static int is_cgroup_version(uint64_t value) {
    return value == 1 || value == 2;
}

static int are_groups(const struct field *bytes) {
    if (bytes->n % sizeof(uint32_t) != 0) return 0;
    for (uint32_t i = 0; i < bytes->n; i += (uint32_t)sizeof(uint32_t)) {
        uint32_t group;
        memcpy(&group, bytes->s + i, sizeof group);
        if (!is_id(group)) return 0;
    }
    return 1;
}

static int is_mode(uint64_t value) {
    return value <= 07777;
}

static int is_user(const struct field *f) {
    const uint64_t no_umask = UINT32_MAX;
    return f[0].u <= 1 && is_id(f[1].u) && is_id(f[2].u) && are_groups(&f[3]) && (f[7].u <= 0777 || f[7].u == no_umask);
}

static int is_device(const struct field *f) {
    int type = f[1].u == 'c' || f[1].u == 'b' || f[1].u == 'p';
    return type && f[2].u <= UINT32_MAX && f[3].u <= UINT32_MAX && is_mode(f[4].u) && is_id(f[5].u) && is_id(f[6].u);
}

static int has_good_values(const struct operation *op) {
    const struct field *f = op->f;
    switch (op->code) {
    case OP_CGROUP_CREATE:
    case OP_CGROUP_JOIN:
    case OP_OOM_WATCH: return is_cgroup_version(f[1].u);
    case OP_LOG_FILE: return f[2].u <= UINT32_MAX;
    case OP_STDIO: return f[3].u <= UINT16_MAX && f[4].u <= UINT16_MAX;
    case OP_NAMESPACE_NEW:
    case OP_NAMESPACE_JOIN: return is_namespace(f[0].u);
    case OP_NETLINK: return f[1].u <= INT32_MAX && f[3].n % sizeof(uint32_t) == 0 && f[4].n % sizeof(uint32_t) == 0;
    case OP_MOUNT: return f[3].u <= UINT32_MAX && is_mode(f[5].u);
    case OP_DEVICE: return is_device(f);
    case OP_RLIMIT: return f[0].u <= INT32_MAX;
    case OP_USER: return is_user(f);
    case OP_STDIO_INHERITED: return f[0].u <= INHERITED_MORE_MAX;
    case OP_HOOK: return f[6].u == HOOK_NOW || f[6].u == HOOK_AT_START;
    case OP_ADOPT: return f[0].n > 0 && f[2].u <= 1;
    case OP_PERSONALITY: return f[0].u <= UINT32_MAX;
    case OP_SCHEDULER: return f[0].u <= UINT32_MAX && f[3].u <= UINT32_MAX;
    case OP_IO_PRIORITY: return f[0].u <= UINT16_MAX;
    case OP_SECCOMP: return f[1].u <= UINT32_MAX;
    default: return 1;
    }
}

static unsigned count_of(const struct plan *plan, uint16_t code) {
    unsigned count = 0;
    for (uint16_t i = 0; i < plan->count; i++) count += plan->operations[i].code == code;
    return count;
}

static int is_any_twice(const struct plan *plan) {
    static const uint16_t once[] = {OP_STDIO,  OP_LOG_FILE,    OP_OOM_WATCH, OP_PIVOT_ROOT, OP_USER,
                                    OP_EXEC,   OP_ENVIRONMENT, OP_CONSOLE,   OP_ID_MAP,     OP_CAPABILITIES,
                                    OP_SECCOMP, OP_INIT,       OP_ADOPT,       OP_START_SOCKET, OP_CONSOLE_SOCKET, OP_STDIO_INHERITED,
                                    OP_OWNED_NETWORK};
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        if (count_of(plan, once[i]) > 1) return 1;
    return 0;
}

static int has_terminal(const struct plan *plan) {
    for (uint16_t i = 0; i < plan->count; i++)
        if (plan->operations[i].code == OP_STDIO && plan->operations[i].f[0].u) return 1;
    return 0;
}

const char *plan_check_part(const struct plan *plan) {
    if (plan->count == 0) return "the plan is empty";
    for (uint16_t i = 0; i < plan->count; i++)
        if (!has_good_values(&plan->operations[i])) return "the plan holds an operation with a value out of its range";
    if (is_any_twice(plan)) return "the plan holds an operation twice that can only be once";
    if (count_of(plan, OP_ROOTFS_OVERLAY) + count_of(plan, OP_ROOTFS_BIND) > 1) return "the plan holds two root file systems";
    return NULL;
}

const char *plan_check(const struct plan *plan) {
    const char *refused = plan_check_part(plan);
    if (refused) return refused;
    const struct operation *last = &plan->operations[plan->count - 1];
    if (last->code != OP_EXEC || last->f[0].n == 0) return "the plan does not end with a program to execute";
    if (count_of(plan, OP_START_SOCKET) && !(plan->flags & PLAN_LEAVE)) return "the plan has a start socket but a shim that stays";
    if (count_of(plan, OP_ADOPT) && plan->flags & PLAN_LEAVE) return "the plan adopts a process but its shim does not stay";
    if (count_of(plan, OP_CONSOLE) && !has_terminal(plan)) return "the plan has a console but no terminal";
    return NULL;
}
