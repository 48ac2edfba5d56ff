#include "../owners.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static void heed(const char *maps) {
    if (maps) setenv(OWNERS_VARIABLE, maps, 1);
    else unsetenv(OWNERS_VARIABLE);
    owners_read();
}

TEST(owners_are_what_they_are_without_maps) {
    heed(NULL);
    CHECK_NUMBER(owners_disk_uid(5), 5);
    CHECK_NUMBER(owners_shown_gid(100005), 100005);
}

TEST(owners_go_to_the_host_and_back_and_no_further) {
    heed("0 100000 65536\n/0 200000 65536\n");
    CHECK_NUMBER(owners_disk_uid(7), 100007);
    CHECK_NUMBER(owners_disk_gid(7), 200007);
    CHECK_NUMBER(owners_disk_uid(owners_disk_uid(7)), 100007);
    CHECK_NUMBER(owners_shown_uid(100007), 7);
    CHECK_NUMBER(owners_shown_gid(owners_shown_gid(200007)), 7);
    CHECK_NUMBER(owners_disk_uid(70000), 70000);
    heed(NULL);
}

TEST(owners_give_a_capability_the_root_of_the_namespace_and_take_it_again) {
    struct vfs_cap_data old = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, .data = {{.permitted = 0x400}}};
    unsigned char room[OWNERS_CAPABILITY_BYTES];
    const void *value = &old;
    size_t length = XATTR_CAPS_SZ_2;
    heed("0 100000 65536\n/0 200000 65536\n");
    owners_capability_to_disk("user.other", &value, &length, room);
    CHECK(value == &old);
    owners_capability_to_disk("security.capability", &value, &length, room);
    CHECK_NUMBER(length, XATTR_CAPS_SZ_3);
    struct vfs_ns_cap_data stored;
    memcpy(&stored, value, sizeof stored);
    CHECK_NUMBER(stored.magic_etc, VFS_CAP_REVISION_3 | VFS_CAP_FLAGS_EFFECTIVE);
    CHECK_NUMBER(stored.data[0].permitted, 0x400);
    CHECK_NUMBER(stored.rootid, 100000);
    CHECK_NUMBER(owners_capability_from_disk("security.capability", room, length), XATTR_CAPS_SZ_2);
    CHECK(memcmp(room, &old, XATTR_CAPS_SZ_2) == 0);
    /* Another namespace's is nobody's here. */
    stored.rootid = 5;
    memcpy(room, &stored, sizeof stored);
    CHECK_NUMBER(owners_capability_from_disk("security.capability", room, XATTR_CAPS_SZ_3), XATTR_CAPS_SZ_3);
    heed(NULL);
}
