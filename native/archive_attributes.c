#include "archive_attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "overlay_notes.h"
#include "owners.h"

/*
 * Names a layer may not set: overlayfs reads these as orders (show another folder here, take the data from there),
 * so an image could use them to reach files of the host. Whiteouts and opaque folders have their own notation in tar.
 */
static bool forbidden(const char *name) {
    return strncmp(name, "trusted.overlay.", 16) == 0 || strncmp(name, "user.overlay.", 13) == 0;
}

/* A file system without this kind of attribute, a kind of file or a user that cannot have it, lose it silently, as with Docker. */
static bool tolerable(const char *name, int error) {
    bool unprivileged = geteuid() != 0 || in_user_namespace();
    return error == ENOTSUP || (error == EPERM && (strncmp(name, "user.", 5) == 0 || unprivileged));
}

int attributes_set_opaque(int fd, struct archive_failure *failure) {
    if (fsetxattr(fd, overlay_opaque_attribute(), "y", 1, 0) == 0) return 0;
    return archive_fail_errno(failure, errno, "setxattr %s", overlay_opaque_attribute());
}

int attributes_apply_open(int fd, const struct tar_entry *entry, bool fresh, bool inherited_group,
                          struct archive_failure *failure) {
    uid_t uid = owners_disk_uid(entry->uid);
    gid_t gid = owners_disk_gid(entry->gid);
    bool owned = fresh && !inherited_group && uid == 0 && gid == 0;
    if (!owned && fchown(fd, uid, gid) < 0) return archive_fail_errno(failure, errno, "chown");
    /* After chown, which clears the setuid and setgid bits; and open(2) may have dropped them. */
    if ((!fresh || inherited_group || (entry->mode & 07000) != 0) && fchmod(fd, entry->mode) < 0)
        return archive_fail_errno(failure, errno, "chmod");
    /* After chown too, which removes security.capability. */
    for (size_t i = 0; i < entry->xattr_count; i++) {
        const struct tar_xattr *xattr = &entry->xattrs[i];
        if (forbidden(xattr->name)) continue;
        unsigned char room[OWNERS_CAPABILITY_BYTES];
        const void *value = xattr->value;
        size_t length = xattr->length;
        owners_capability_to_disk(xattr->name, &value, &length, room);
        if (fsetxattr(fd, xattr->name, value, length, 0) < 0 && !tolerable(xattr->name, errno))
            return archive_fail_errno(failure, errno, "setxattr %.64s", xattr->name);
    }
    return 0;
}

/* What `place` is, whatever its name will mean a moment later: nothing below follows a link. */
static int apply_pinned(int fd, const struct tar_entry *entry, struct archive_failure *failure) {
    struct stat status;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fchownat(fd, "", owners_disk_uid(entry->uid), owners_disk_gid(entry->gid), AT_EMPTY_PATH) < 0)
        return archive_fail_errno(failure, errno, "chown");
    if (fstat(fd, &status) < 0) return archive_fail_errno(failure, errno, "stat");
    if (!S_ISLNK(status.st_mode) && chmod(path, entry->mode) < 0) return archive_fail_errno(failure, errno, "chmod");
    for (size_t i = 0; i < entry->xattr_count; i++) {
        const struct tar_xattr *xattr = &entry->xattrs[i];
        if (forbidden(xattr->name)) continue;
        unsigned char room[OWNERS_CAPABILITY_BYTES];
        const void *value = xattr->value;
        size_t length = xattr->length;
        owners_capability_to_disk(xattr->name, &value, &length, room);
        if (setxattr(path, xattr->name, value, length, 0) < 0 && !tolerable(xattr->name, errno))
            return archive_fail_errno(failure, errno, "setxattr %.64s", xattr->name);
    }
    struct timespec times[2] = {entry->mtime, entry->mtime};
    return utimensat(AT_FDCWD, path, times, 0) < 0 ? archive_fail_errno(failure, errno, "utimensat") : 0;
}

int attributes_apply_named(const struct tree_place *place, const struct tar_entry *entry,
                           struct archive_failure *failure) {
    int fd = openat(place->parent, place->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return archive_fail_errno(failure, errno, "open");
    int result = apply_pinned(fd, entry, failure);
    close(fd);
    return result;
}

static int copy_xattr(int from, int to, const char *name, struct archive_failure *failure) {
    char value[XATTR_SIZE_MAX];
    if (forbidden(name)) return 0;
    ssize_t length = fgetxattr(from, name, value, sizeof value);
    if (length < 0) return archive_fail_errno(failure, errno, "getxattr %.64s of the layer below", name);
    unsigned char room[OWNERS_CAPABILITY_BYTES];
    const void *stored = value;
    size_t size = (size_t)length;
    owners_capability_to_disk(name, &stored, &size, room);
    if (fsetxattr(to, name, stored, size, 0) < 0 && !tolerable(name, errno))
        return archive_fail_errno(failure, errno, "setxattr %.64s", name);
    return 0;
}

int attributes_copy(int from, int to, struct archive_failure *failure) {
    struct stat status;
    if (fstat(from, &status) < 0) return archive_fail_errno(failure, errno, "stat of the layer below");
    if (fchown(to, owners_disk_uid(status.st_uid), owners_disk_gid(status.st_gid)) < 0) return archive_fail_errno(failure, errno, "chown of its parent");
    if (fchmod(to, status.st_mode & 07777) < 0) return archive_fail_errno(failure, errno, "chmod of its parent");
    char names[XATTR_LIST_MAX];
    ssize_t length = flistxattr(from, names, sizeof names);
    if (length < 0 && errno != ENOTSUP) return archive_fail_errno(failure, errno, "listxattr of the layer below");
    for (const char *name = names; length > 0 && name < names + length; name += strlen(name) + 1)
        if (copy_xattr(from, to, name, failure) < 0) return -1;
    struct timespec times[2] = {status.st_atim, status.st_mtim};
    if (futimens(to, times) < 0) return archive_fail_errno(failure, errno, "utimensat of its parent");
    return 0;
}
