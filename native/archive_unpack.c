#include "archive_unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive_attributes.h"
#include "archive_data.h"
#include "archive_source.h"
#include "archive_tar.h"
#include "archive_tree.h"
#include "owners.h"
#include "overlay_notes.h"

static const char WHITEOUT[] = ".wh.", WHITEOUT_META[] = ".wh..wh.", OPAQUE[] = ".wh..wh..opq";

/* The time of a folder changes with everything made in it, so it is set at the end. */
struct folder_time {
    char *path;
    struct timespec mtime;
};

struct unpack {
    struct archive_source *source;
    struct archive_tree tree;
    struct folder_time *folders;
    size_t folder_count;
    /* No layer: names of whiteouts mean nothing. */
    bool plain;
    /* How a whole tree is unpacked into, or NULL. */
    const struct unpack_target *target;
    uint64_t file_bytes, entries;
    /* The failure names its entry already. */
    bool named;
    struct archive_failure failure;
};

static int remember_time(struct unpack *unpack, const char *path, struct timespec mtime) {
    if ((unpack->folder_count & (unpack->folder_count - 1)) == 0) {
        size_t room = unpack->folder_count == 0 ? 1 : unpack->folder_count * 2;
        struct folder_time *grown = realloc(unpack->folders, room * sizeof *grown);
        if (grown == NULL) return archive_fail_errno(&unpack->failure, errno, "memory for folders");
        unpack->folders = grown;
    }
    char *copy = strdup(path);
    if (copy == NULL) return archive_fail_errno(&unpack->failure, errno, "memory for folders");
    unpack->folders[unpack->folder_count++] = (struct folder_time){.path = copy, .mtime = mtime};
    return 0;
}

static int set_folder_times(struct unpack *unpack) {
    for (size_t i = 0; i < unpack->folder_count; i++) {
        int fd = tree_open_made(&unpack->tree, unpack->folders[i].path);
        if (fd < 0) continue; /* A later entry of the archive has replaced it. */
        struct timespec times[2] = {unpack->folders[i].mtime, unpack->folders[i].mtime};
        int result = futimens(fd, times);
        int error = errno;
        close(fd);
        if (result < 0) return archive_fail_errno(&unpack->failure, error, "utimensat of a folder");
    }
    return 0;
}

/* Where the target says so, a folder stays a folder and anything else something else. */
static int refuse_change_of_kind(struct unpack *unpack, const struct stat *found, bool to_folder, const struct tree_place *place) {
    if (unpack->target == NULL || !unpack->target->keep_kinds || S_ISDIR(found->st_mode) == to_folder) return 0;
    char name[320], folder[320];
    archive_printable(place->path, name, sizeof name);
    archive_printable(unpack->target->shown, folder, sizeof folder);
    unpack->named = true;
    return archive_fail(&unpack->failure, ARCHIVE_BAD, "cannot overwrite %sdirectory \"%s%s%s\" with %sdirectory \"%s\"",
                        to_folder ? "non-" : "", folder, strcmp(folder, "/") == 0 ? "" : "/", name, to_folder ? "" : "non-", folder);
}

/* Make room for a new entry. 1 when a whiteout of the same layer was in its place, else 0. */
static int replace(struct unpack *unpack, struct tree_place *place, const char *raw) {
    struct stat status = {0};
    bool whiteout = fstatat(place->parent, place->name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                    S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0);
    if (refuse_change_of_kind(unpack, &status, false, place) < 0) return -1;
    int removed = tree_remove(&unpack->tree, place);
    if (removed < 0) return -1;
    if (removed > 0) {
        tree_forget_parents(&unpack->tree);
        if (tree_locate(&unpack->tree, raw, true, place) < 0) return -1;
    }
    return whiteout ? 1 : 0;
}

static int make_folder(struct unpack *unpack, struct tree_place *place, const struct tar_entry *entry) {
    bool fresh = true, hidden = false;
    if (*place->name == 0) {
        /* A folder that is there already keeps what it is: only what the archive brings goes into it. */
        if (unpack->target != NULL) return 0;
        fresh = false;
    } else if (mkdirat(place->parent, place->name, entry->mode) < 0) {
        if (errno != EEXIST) return archive_fail_errno(&unpack->failure, errno, "mkdir");
        struct stat status;
        if (fstatat(place->parent, place->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            return archive_fail_errno(&unpack->failure, errno, "stat");
        fresh = !S_ISDIR(status.st_mode);
        if (fresh && refuse_change_of_kind(unpack, &status, true, place) < 0) return -1;
        if (fresh) {
            int replaced = replace(unpack, place, entry->path);
            if (replaced < 0) return -1;
            hidden = replaced > 0;
            if (mkdirat(place->parent, place->name, entry->mode) < 0)
                return archive_fail_errno(&unpack->failure, errno, "mkdir");
        }
    }
    int fd = unpack->target == NULL ? tree_open(place->parent, place->name, O_RDONLY | O_DIRECTORY)
                                    : tree_open_across(place->parent, place->name, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return archive_fail_errno(&unpack->failure, errno, "open of the folder");
    int result = attributes_apply_open(fd, entry, fresh, place->parent_setgid, &unpack->failure);
    if (result == 0 && hidden) result = attributes_set_opaque(fd, &unpack->failure);
    close(fd);
    if (!fresh) tree_forget_parents(&unpack->tree); /* Its setgid bit may have changed. */
    return result < 0 ? -1 : remember_time(unpack, place->path, entry->mtime);
}

static int make_file(struct unpack *unpack, struct tree_place *place, struct tar_entry *entry) {
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(place->parent, place->name, flags, entry->mode);
    if (fd < 0 && errno == EEXIST) {
        if (replace(unpack, place, entry->path) < 0) return -1;
        fd = openat(place->parent, place->name, flags, entry->mode);
    }
    if (fd < 0) return archive_fail_errno(&unpack->failure, errno, "open for writing");
    struct timespec times[2] = {entry->mtime, entry->mtime};
    uint64_t size = entry->size;
    int result = entry_write_data(unpack->source, entry, fd, &unpack->failure);
    /* Attributes after the data: a write clears setuid and security.capability. */
    if (result == 0) result = attributes_apply_open(fd, entry, true, place->parent_setgid, &unpack->failure);
    if (result == 0 && futimens(fd, times) < 0) result = archive_fail_errno(&unpack->failure, errno, "utimensat");
    if (close(fd) < 0 && result == 0) result = archive_fail_errno(&unpack->failure, errno, "close");
    unpack->file_bytes += size;
    return result;
}

/*
 * A hard link's header has attributes of its own. They are the file's from then on, as with containerd and Docker: the last
 * name of a file tells what it is.
 */
static int make_hard_link(struct unpack *unpack, struct tree_place *place, const struct tar_entry *entry) {
    struct tree_place target;
    int located = tree_locate(&unpack->tree, entry->link, false, &target);
    if (located == -1) return -1;
    if (located == -ENOENT || *target.name == 0)
        return archive_fail(&unpack->failure, ARCHIVE_BAD, "hard link to a file that is not in this layer");
    if (strcmp(target.path, place->path) == 0) return 0;
    /* The cache may have closed the parent while the target's was opened. */
    int from = fcntl(target.parent, F_DUPFD_CLOEXEC, 3);
    if (from < 0) return archive_fail_errno(&unpack->failure, errno, "open of the link's target");
    int result = tree_locate(&unpack->tree, entry->path, true, place);
    if (result == 0 && linkat(from, target.name, place->parent, place->name, 0) < 0) {
        if (errno == EEXIST) {
            result = replace(unpack, place, entry->path) < 0 ? -1 : 0;
            if (result == 0 && linkat(from, target.name, place->parent, place->name, 0) < 0)
                result = archive_fail(&unpack->failure, ARCHIVE_BAD, "hard link: %s", strerror(errno));
        } else {
            result = errno == ENOENT
                         ? archive_fail(&unpack->failure, ARCHIVE_BAD, "hard link to a file that is not in this layer")
                         : archive_fail(&unpack->failure, ARCHIVE_BAD, "hard link: %s", strerror(errno));
        }
    }
    close(from);
    return result < 0 ? -1 : attributes_apply_named(place, entry, &unpack->failure);
}

static int make_once(const struct tree_place *place, const struct tar_entry *entry) {
    switch (entry->type) {
        case TAR_SYMLINK: return symlinkat(entry->link, place->parent, place->name);
        case TAR_CHARACTER: return mknodat(place->parent, place->name, S_IFCHR | entry->mode, makedev(entry->major, entry->minor));
        case TAR_BLOCK_DEVICE: return mknodat(place->parent, place->name, S_IFBLK | entry->mode, makedev(entry->major, entry->minor));
        default: return mknodat(place->parent, place->name, S_IFIFO | entry->mode, 0);
    }
}

static int make_special(struct unpack *unpack, struct tree_place *place, const struct tar_entry *entry) {
    int result = make_once(place, entry);
    if (result < 0 && errno == EEXIST) {
        if (replace(unpack, place, entry->path) < 0) return -1;
        result = make_once(place, entry);
    }
    /* Nobody makes devices in a user namespace; an image that brings some is to be had all the same. */
    bool device = entry->type == TAR_CHARACTER || entry->type == TAR_BLOCK_DEVICE;
    if (result < 0 && errno == EPERM && device && in_user_namespace()) return 0;
    if (result < 0) return archive_fail_errno(&unpack->failure, errno, entry->type == TAR_SYMLINK ? "symlink" : "mknod");
    return attributes_apply_named(place, entry, &unpack->failure);
}

/* A whiteout hides what lower layers have; files of its own layer with that name stay (OCI image-spec, layer.md). */
static int make_whiteout(struct unpack *unpack, const struct tree_place *place) {
    const char *hidden = place->name + sizeof WHITEOUT - 1;
    if (strncmp(place->name, WHITEOUT_META, sizeof WHITEOUT_META - 1) == 0) {
        if (strcmp(place->name, OPAQUE) != 0) return 0;
        return attributes_set_opaque(place->parent, &unpack->failure);
    }
    if (*hidden == 0 || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
        return archive_fail(&unpack->failure, ARCHIVE_BAD, "whiteout without a name");
    if (mknodat(place->parent, hidden, S_IFCHR, makedev(0, 0)) == 0) return 0;
    if (errno != EEXIST) return archive_fail_errno(&unpack->failure, errno, "mknod of a whiteout");
    int folder = tree_open(place->parent, hidden, O_RDONLY | O_DIRECTORY);
    if (folder < 0) return 0;
    int result = attributes_set_opaque(folder, &unpack->failure);
    close(folder);
    return result;
}

static int make_entry(struct unpack *unpack, struct tar_entry *entry) {
    struct tree_place place;
    if (tree_locate(&unpack->tree, entry->path, true, &place) < 0) return -1;
    if (!unpack->plain && strncmp(place.name, WHITEOUT, sizeof WHITEOUT - 1) == 0) return make_whiteout(unpack, &place);
    if (*place.name == 0 && entry->type != TAR_DIRECTORY)
        return archive_fail(&unpack->failure, ARCHIVE_BAD, "the root of a layer must be a folder");
    switch (entry->type) {
        case TAR_DIRECTORY: return make_folder(unpack, &place, entry);
        case TAR_FILE: return make_file(unpack, &place, entry);
        case TAR_HARDLINK: return make_hard_link(unpack, &place, entry);
        default: return make_special(unpack, &place, entry);
    }
}

/* Put the entry's name in front of a failure, so that the person sees where in the archive it lies. */
static void name_failure(struct archive_failure *failure, const char *path) {
    char name[320], text[sizeof failure->text];
    memcpy(text, failure->text, sizeof text);
    archive_printable(path, name, sizeof name);
    snprintf(failure->text, sizeof failure->text, "%s: %.400s", name, text);
}

/* The docker client's contexts with a Dockerfile from elsewhere end with the last file's data: no padding, no end mark. */
static int skip_padding(struct unpack *unpack, uint64_t count) {
    const unsigned char *bytes;
    if (!unpack->plain) return source_skip(unpack->source, count) < 0 ? -1 : 0;
    while (count > 0) {
        int64_t available = source_peek(unpack->source, &bytes);
        if (available <= 0) return (int)available;
        size_t part = (uint64_t)available < count ? (size_t)available : (size_t)count;
        source_take(unpack->source, part);
        count -= part;
    }
    return 0;
}

/* "OLD" and "OLD/x" as "NEW" and "NEW/x"; an empty OLD is before every name. */
static int rename_start(char **path, const char *old, const char *new, struct archive_failure *failure) {
    size_t length = strlen(old);
    if (strncmp(*path, old, length) != 0 || (length > 0 && (*path)[length] != 0 && (*path)[length] != '/')) return 0;
    size_t size = strlen(new) + strlen(*path + length) + 1;
    char *renamed = malloc(size);
    if (renamed == NULL) return archive_fail_errno(failure, errno, "memory for a name");
    snprintf(renamed, size, "%s%s", new, *path + length);
    free(*path);
    *path = renamed;
    return 0;
}

static int retarget(struct unpack *unpack, struct tar_entry *entry) {
    const struct unpack_target *target = unpack->target;
    if (target->owned) {
        entry->uid = target->uid;
        entry->gid = target->gid;
    }
    if (target->rename_from == NULL) return 0;
    if (rename_start(&entry->path, target->rename_from, target->rename_to, &unpack->failure) < 0) return -1;
    if (entry->type != TAR_HARDLINK) return 0;
    return rename_start(&entry->link, target->rename_from, target->rename_to, &unpack->failure);
}

static int unpack_all(struct unpack *unpack) {
    for (;;) {
        struct tar_entry entry;
        int got = tar_next(unpack->source, &entry, &unpack->failure);
        if (got > 0 && unpack->target != NULL && retarget(unpack, &entry) < 0) got = -1;
        if (got > 0 && make_entry(unpack, &entry) < 0) got = -1;
        if (got > 0 && source_skip(unpack->source, entry.stored) < 0) got = -1;
        if (got > 0 && skip_padding(unpack, entry.padding) < 0) got = -1;
        if (got < 0 && entry.path != NULL && !unpack->named) name_failure(&unpack->failure, entry.path);
        tar_entry_free(&entry);
        if (got <= 0) break;
        unpack->entries++;
    }
    return unpack->failure.code == 0 ? set_folder_times(unpack) : -1;
}

static void forget(struct unpack *unpack) {
    source_close(unpack->source);
    tree_forget_parents(&unpack->tree);
    for (size_t i = 0; i < unpack->folder_count; i++) free(unpack->folders[i].path);
    free(unpack->folders);
}

static int unpack_into(int archive, struct unpack *unpack, struct archive_failure *failure) {
    unpack->source = source_open(archive, -1, SOURCE_UNLIMITED, &unpack->failure);
    char digest[65];
    uint64_t bytes;
    if (unpack->failure.code == 0) unpack_all(unpack);
    if (unpack->failure.code == 0) source_finish(unpack->source, digest, &bytes);
    forget(unpack);
    if (unpack->failure.code != 0) *failure = unpack->failure;
    return unpack->failure.code == 0 ? 0 : -1;
}

int unpack_plain(int archive, int folder, struct archive_failure *failure) {
    static struct unpack unpack;
    unpack = (struct unpack){.tree = {.root = folder, .failure = &unpack.failure}, .plain = true};
    return unpack_into(archive, &unpack, failure);
}

int unpack_to_target(int archive, const struct unpack_target *target, struct archive_failure *failure) {
    static struct unpack unpack;
    unpack = (struct unpack){
        .tree = {.root = target->folder, .base = target->base, .whole = target->whole, .failure = &unpack.failure},
        .plain = true,
        .target = target,
    };
    return unpack_into(archive, &unpack, failure);
}

int unpack_layer(int archive, const struct unpack_layer *layer, struct unpacked *unpacked, struct archive_failure *failure) {
    static struct unpack unpack;
    unpack = (struct unpack){
        .tree = {.root = layer->folder, .lower = layer->lower, .lower_count = layer->lower_count,
                 .lower_unknown = layer->lower_unknown, .failure = &unpack.failure},
        .plain = layer->plain,
    };
    unpack.source = source_open(archive, layer->copy, layer->limit, &unpack.failure);
    if (unpack.failure.code == 0) unpack_all(&unpack);
    bool sourced = unpack.source != NULL && unpack.failure.code != ARCHIVE_SYSTEM && (unpack.failure.code == 0 || layer->copy >= 0);
    unpacked->whole = sourced && source_finish(unpack.source, unpacked->digest, &unpacked->tar_bytes) == 0;
    unpacked->file_bytes = unpack.file_bytes;
    unpacked->entries = unpack.entries;
    forget(&unpack);
    if (unpack.failure.code != 0) *failure = unpack.failure;
    return unpack.failure.code == 0 ? 0 : -1;
}
