#include "scheduling.h"

#include <linux/ioprio.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

int scheduling_policy(const struct operation *op, struct failure *failure) {
    struct sched_attr attributes = {
        .size = sizeof attributes,
        .sched_policy = (uint32_t)op->f[0].u,
        .sched_flags = op->f[1].u,
        .sched_nice = (int32_t)op->f[2].u,
        .sched_priority = (uint32_t)op->f[3].u,
        .sched_runtime = op->f[4].u,
        .sched_deadline = op->f[5].u,
        .sched_period = op->f[6].u,
    };
    return syscall(SYS_sched_setattr, 0, &attributes, 0) ? fail(failure, "sched_setattr", "") : 0;
}

int scheduling_io_priority(const struct operation *op, struct failure *failure) {
    return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, (int)op->f[0].u) ? fail(failure, "ioprio_set", "") : 0;
}
