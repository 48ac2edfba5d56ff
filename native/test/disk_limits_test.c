#include "../disk_limits.h"

#include <linux/capability.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

static bool may_write_over_limits(void) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    CHECK_NUMBER(syscall(SYS_capget, &head, sets), 0);
    return sets[CAP_TO_INDEX(CAP_SYS_RESOURCE)].effective & CAP_TO_MASK(CAP_SYS_RESOURCE);
}

TEST(disk_limits_hold_between_obey_and_ignore) {
    if (!may_write_over_limits()) return;
    CHECK_NUMBER(disk_limits_obey(), 1);
    CHECK(!may_write_over_limits());
    CHECK_NUMBER(disk_limits_obey(), 0);
    CHECK_NUMBER(disk_limits_ignore(), 0);
    CHECK(may_write_over_limits());
}
