#include "owners.h"

#include <endian.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mount_idmap.h"

static const char *maps;

void owners_read(void) {
    const char *said = getenv(OWNERS_VARIABLE);
    maps = said != NULL && *said != 0 ? said : NULL;
}

static uint32_t on_disk(const char *map, uint32_t id) {
    uint32_t target = idmap_target(map, id);
    return target == UINT32_MAX ? id : target;
}

static uint32_t shown(const char *map, uint32_t id) {
    uint32_t source = idmap_source(map, id);
    return source == UINT32_MAX ? id : source;
}

uid_t owners_disk_uid(uid_t id) {
    return maps == NULL ? id : on_disk(maps, id);
}

gid_t owners_disk_gid(gid_t id) {
    return maps == NULL ? id : on_disk(idmap_groups(maps), id);
}

uid_t owners_shown_uid(uid_t id) {
    return maps == NULL ? id : shown(maps, id);
}

gid_t owners_shown_gid(gid_t id) {
    return maps == NULL ? id : shown(idmap_groups(maps), id);
}

_Static_assert(XATTR_CAPS_SZ_3 == OWNERS_CAPABILITY_BYTES, "room for a capability of version 3");

static bool is_capability(const char *name, const void *value, size_t length, size_t size, uint32_t revision) {
    uint32_t magic;
    if (maps == NULL || strcmp(name, "security.capability") != 0 || length != size) return false;
    memcpy(&magic, value, sizeof magic);
    return (le32toh(magic) & VFS_CAP_REVISION_MASK) == revision;
}

/* Both versions begin alike; the later one has the root's id behind. */
static void set_revision(unsigned char *value, uint32_t revision) {
    uint32_t magic;
    memcpy(&magic, value, sizeof magic);
    magic = htole32((le32toh(magic) & VFS_CAP_FLAGS_MASK) | revision);
    memcpy(value, &magic, sizeof magic);
}

void owners_capability_to_disk(const char *name, const void **value, size_t *length, unsigned char room[OWNERS_CAPABILITY_BYTES]) {
    if (!is_capability(name, *value, *length, XATTR_CAPS_SZ_2, VFS_CAP_REVISION_2)) return;
    uint32_t root = htole32(owners_disk_uid(0));
    memcpy(room, *value, XATTR_CAPS_SZ_2);
    memcpy(room + XATTR_CAPS_SZ_2, &root, sizeof root);
    set_revision(room, VFS_CAP_REVISION_3);
    *value = room;
    *length = XATTR_CAPS_SZ_3;
}

size_t owners_capability_from_disk(const char *name, void *value, size_t length) {
    uint32_t root;
    if (!is_capability(name, value, length, XATTR_CAPS_SZ_3, VFS_CAP_REVISION_3)) return length;
    memcpy(&root, (unsigned char *)value + XATTR_CAPS_SZ_2, sizeof root);
    if (owners_shown_uid(le32toh(root)) != 0) return length;
    set_revision(value, VFS_CAP_REVISION_2);
    return XATTR_CAPS_SZ_2;
}
