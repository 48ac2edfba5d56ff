#include "device_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

#define MAX_INSTRUCTIONS 4096

static int sys_bpf(int command, union bpf_attr *attributes) {
    return (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

static int load(const struct operation *op) {
    /* The program lies in the plan's buffer without alignment. */
    static struct bpf_insn instructions[MAX_INSTRUCTIONS];
    memcpy(instructions, op->f[1].s, op->f[1].n);
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insns = (uint64_t)(uintptr_t)instructions;
    attributes.insn_cnt = op->f[1].n / (uint32_t)sizeof *instructions;
    attributes.license = (uint64_t)(uintptr_t) "Apache-2.0";
    return sys_bpf(BPF_PROG_LOAD, &attributes);
}

int device_filter_attach(const struct operation *op, struct failure *failure) {
    if (op->f[1].n == 0 || op->f[1].n % sizeof(struct bpf_insn) || op->f[1].n / sizeof(struct bpf_insn) > MAX_INSTRUCTIONS)
        return fail_with(failure, EINVAL, "device filter", "program size");
    AUTO_FD group = open(op->f[0].s, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (group < 0) return fail(failure, "open", op->f[0].s);
    AUTO_FD program = load(op);
    if (program < 0) return fail(failure, "load the device filter of", op->f[0].s);
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.target_fd = (uint32_t)group;
    attributes.attach_bpf_fd = (uint32_t)program;
    attributes.attach_type = BPF_CGROUP_DEVICE;
    attributes.attach_flags = BPF_F_ALLOW_MULTI;
    return sys_bpf(BPF_PROG_ATTACH, &attributes) ? fail(failure, "attach the device filter to", op->f[0].s) : 0;
}
