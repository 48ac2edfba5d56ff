#include "../mount_idmap.h"

#include "check.h"

TEST(idmap_takes_an_id_to_its_place_in_the_ranges) {
    const char *maps = "0 100000 1000\n1000 500000 5\n/0 7 1\n";
    CHECK_NUMBER(idmap_target(maps, 0), 100000);
    CHECK_NUMBER(idmap_target(maps, 999), 100999);
    CHECK_NUMBER(idmap_target(maps, 1004), 500004);
    CHECK_NUMBER(idmap_target(idmap_groups(maps), 0), 7);
}

TEST(idmap_takes_other_ids_nowhere) {
    const char *maps = "1 100000 10\n/";
    CHECK_NUMBER(idmap_target(maps, 0), UINT32_MAX);
    CHECK_NUMBER(idmap_target(maps, 11), UINT32_MAX);
    CHECK_NUMBER(idmap_target(idmap_groups(maps), 0), UINT32_MAX);
    CHECK_NUMBER(idmap_target("", 0), UINT32_MAX);
    CHECK_NUMBER(idmap_target(idmap_groups("no slash"), 0), UINT32_MAX);
}
