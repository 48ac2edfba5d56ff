#include "archive_pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive_tree.h"
#include "overlay_notes.h"
#include "owners.h"

/* A folder on the way down: its sorted names, and which is next. */
struct level {
    char **names;
    size_t count, next;
    /* Length of the folder's own path. */
    size_t length;
};

/* A file with several names that was written under the first of them. */
struct written {
    dev_t device;
    ino_t inode;
    char *path;
};

/*
 * Holes of this many bytes are written out as zeros: who unpacks a layer with the notation of sparse files cannot always
 * write the same bytes again (docker save and podman push then fail). A file with more holes would fill disks, so it is
 * noted as sparse.
 */
static const uint64_t MAX_ZEROS = 1 << 30;

struct pack {
    const struct pack_options *options;
    int root;
    struct level *levels;
    size_t depth, level_room;
    /* Root of a tree of struct written (tsearch(3)). */
    void *written;
    char path[PATH_MAX];
    struct pack_totals *totals;
    struct tar_output *output;
    struct archive_failure *failure;
};

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(struct level *level, const char *name) {
    if ((level->count & (level->count - 1)) == 0) {
        char **grown = realloc(level->names, (level->count == 0 ? 1 : level->count * 2) * sizeof *grown);
        if (grown == NULL) return -1;
        level->names = grown;
    }
    level->names[level->count] = strdup(name);
    return level->names[level->count++] == NULL ? -1 : 0;
}

static bool is_layer(const struct pack *pack) {
    return pack->options->prefix == NULL;
}

static int open_folder(const struct pack *pack, const char *path) {
    const int flags = O_RDONLY | O_DIRECTORY;
    return is_layer(pack) ? tree_open(pack->root, path, flags) : tree_open_across(pack->root, path, flags);
}

/* Files that are in use may be removed or replaced between two looks at them; a layer's may not. */
static bool has_vanished(const struct pack *pack, int error) {
    return !is_layer(pack) && (error == ENOENT || error == ENOTDIR || error == ELOOP || error == ESTALE);
}

/* The name in the archive of what is at pack->path. */
static void entry_name(const struct pack *pack, char name[2 * PATH_MAX]) {
    if (is_layer(pack)) snprintf(name, 2 * PATH_MAX, "%s", pack->path);
    else snprintf(name, 2 * PATH_MAX, "%s%s%s", pack->options->prefix, *pack->path == 0 ? "" : "/", pack->path);
}

/* Go down into the folder at pack->path. */
static int enter(struct pack *pack) {
    if (pack->depth == pack->level_room) {
        size_t room = pack->level_room == 0 ? 16 : pack->level_room * 2;
        struct level *grown = realloc(pack->levels, room * sizeof *grown);
        if (grown == NULL) return archive_fail_errno(pack->failure, errno, "memory for a folder");
        pack->levels = grown;
        pack->level_room = room;
    }
    struct level *level = &pack->levels[pack->depth++];
    *level = (struct level){.length = strlen(pack->path)};
    int fd = open_folder(pack, pack->path);
    if (fd < 0 && has_vanished(pack, errno)) return 0;
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) return archive_fail_errno(pack->failure, errno, "open of a folder");
    struct dirent *child;
    int result = 0;
    while (result == 0 && (errno = 0, child = readdir(folder)) != NULL)
        if (strcmp(child->d_name, ".") != 0 && strcmp(child->d_name, "..") != 0) result = add_name(level, child->d_name);
    if (result < 0 || errno != 0) archive_fail_errno(pack->failure, errno == 0 ? ENOMEM : errno, "reading of a folder");
    closedir(folder);
    if (pack->failure->code != 0) return -1;
    if (level->count > 0) qsort(level->names, level->count, sizeof *level->names, by_bytes);
    return 0;
}

static void leave(struct pack *pack) {
    struct level *level = &pack->levels[--pack->depth];
    for (size_t i = 0; i < level->count; i++) free(level->names[i]);
    free(level->names);
}

/* An open parent and a name are enough for everything, but xattrs of what cannot be opened need a path. */
static int read_xattrs(struct pack *pack, const char *proc_path, struct tar_entry *entry, bool *opaque) {
    char names[XATTR_LIST_MAX];
    static char value[XATTR_SIZE_MAX];
    ssize_t length = llistxattr(proc_path, names, sizeof names);
    if (length < 0 && has_vanished(pack, errno)) return 0;
    if (length < 0) return errno == ENOTSUP ? 0 : archive_fail_errno(pack->failure, errno, "listxattr");
    for (const char *name = names; name < names + length; name += strlen(name) + 1) {
        ssize_t size = lgetxattr(proc_path, name, value, sizeof value);
        if (size < 0 && (errno == ENODATA || has_vanished(pack, errno))) continue;
        if (size < 0) return archive_fail_errno(pack->failure, errno, "getxattr %.64s", name);
        if (strcmp(name, overlay_opaque_attribute()) == 0) *opaque = size == 1 && *value == 'y';
        /* overlayfs's own notes describe this mount, not the layer. */
        if (is_overlay_note(name)) continue;
        if (!is_layer(pack) && strcmp(name, "security.capability") != 0) continue;
        size = (ssize_t)owners_capability_from_disk(name, value, (size_t)size);
        struct tar_xattr *grown = realloc(entry->xattrs, (entry->xattr_count + 1) * sizeof *grown);
        if (grown == NULL) return archive_fail_errno(pack->failure, errno, "memory for extended attributes");
        entry->xattrs = grown;
        struct tar_xattr *xattr = &grown[entry->xattr_count++];
        *xattr = (struct tar_xattr){.name = strdup(name), .value = malloc((size_t)size + 1), .length = (size_t)size};
        if (xattr->name == NULL || xattr->value == NULL)
            return archive_fail_errno(pack->failure, ENOMEM, "memory for extended attributes");
        memcpy(xattr->value, value, (size_t)size);
    }
    return 0;
}

static int by_inode(const void *a, const void *b) {
    const struct written *left = a, *right = b;
    if (left->device != right->device) return left->device < right->device ? -1 : 1;
    return (left->inode > right->inode) - (left->inode < right->inode);
}

static void free_written(void *node) {
    struct written *written = node;
    free(written->path);
    free(written);
}

/* The earlier name of a file with several, or NULL after noting this as its first. */
static const char *earlier_name(struct pack *pack, const struct stat *status) {
    const struct written key = {.device = status->st_dev, .inode = status->st_ino};
    struct written *const *found = tfind(&key, &pack->written, by_inode);
    if (found != NULL) return (*found)->path;
    struct written *fresh = malloc(sizeof *fresh);
    if (fresh != NULL) {
        *fresh = key;
        char name[2 * PATH_MAX];
        entry_name(pack, name);
        fresh->path = strdup(name);
        if (fresh->path != NULL && tsearch(fresh, &pack->written, by_inode) != NULL) return NULL;
        free_written(fresh);
    }
    archive_fail_errno(pack->failure, ENOMEM, "memory for hard links");
    return NULL;
}

static int add_extent(struct pack *pack, struct tar_entry *entry, off_t offset, uint64_t length) {
    if (entry->extent_count == 1u << 20) return archive_fail(pack->failure, ARCHIVE_SYSTEM, "too many holes");
    struct tar_extent *grown = realloc(entry->extents, (entry->extent_count + 1) * sizeof *grown);
    if (grown == NULL) return archive_fail_errno(pack->failure, errno, "memory for a sparse map");
    entry->extents = grown;
    grown[entry->extent_count++] = (struct tar_extent){.offset = (uint64_t)offset, .length = length};
    entry->stored += length;
    return 0;
}

/* Where a file has data. An empty piece at the end tells GNU tar how long the file is. */
static int find_extents(struct pack *pack, int fd, struct tar_entry *entry) {
    off_t at = 0, size = (off_t)entry->size;
    entry->sparse = true;
    entry->stored = 0;
    while (at < size) {
        off_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) break;
        off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
        if (hole < 0) return archive_fail_errno(pack->failure, errno, "lseek");
        if (hole > size) hole = size;
        if (hole <= data) break;
        if (add_extent(pack, entry, data, (uint64_t)(hole - data)) < 0) return -1;
        at = hole;
    }
    return at < size ? add_extent(pack, entry, size, 0) : 0;
}

/* Exactly `length` bytes: a file that shrinks while it is read is filled up, since its size is already written. */
static int copy_data(struct pack *pack, int fd, uint64_t offset, uint64_t length) {
    static unsigned char buffer[1 << 18];
    while (length > 0) {
        size_t part = length < sizeof buffer ? (size_t)length : sizeof buffer;
        ssize_t count = pread(fd, buffer, part, (off_t)offset);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return archive_fail_errno(pack->failure, errno, "read");
        if (count == 0) return output_zeros(pack->output, length);
        if (output_write(pack->output, buffer, (size_t)count) < 0) return -1;
        offset += (uint64_t)count;
        length -= (uint64_t)count;
    }
    return 0;
}

static int write_file(struct pack *pack, int parent, const char *name, const struct stat *status, struct tar_entry *entry) {
    int fd = tree_open_file(parent, name, status);
    if (fd < 0 && (errno == ENOENT || errno == ESTALE || has_vanished(pack, errno))) return 0; /* Removed or replaced since the folder was read. */
    if (fd < 0) return archive_fail_errno(pack->failure, errno, "open");
    pack->totals->file_bytes += (uint64_t)status->st_size;
    entry->size = entry->stored = (uint64_t)status->st_size;
    int result = 0;
    uint64_t allocated = (uint64_t)status->st_blocks * 512;
    if (is_layer(pack) && entry->size > MAX_ZEROS && allocated < entry->size - MAX_ZEROS) result = find_extents(pack, fd, entry);
    if (result == 0) result = tar_write_header(pack->output, entry);
    if (result == 0 && !entry->sparse) result = copy_data(pack, fd, 0, entry->size);
    for (size_t i = 0; result == 0 && i < entry->extent_count; i++)
        result = copy_data(pack, fd, entry->extents[i].offset, entry->extents[i].length);
    if (result == 0) result = output_zeros(pack->output, (TAR_BLOCK - entry->stored % TAR_BLOCK) % TAR_BLOCK);
    close(fd);
    return result;
}

/* An empty file whose name says that something is hidden: ".wh.NAME" beside, or the opaque marker inside. */
static int write_marker(struct pack *pack, const char *path, struct timespec mtime) {
    char copy[PATH_MAX + 16], nothing[1] = "";
    snprintf(copy, sizeof copy, "%s", path);
    const struct tar_entry entry = {.type = TAR_FILE, .path = copy, .link = nothing, .mtime = mtime};
    return tar_write_header(pack->output, &entry);
}

static int write_whiteout(struct pack *pack, size_t parent_length, const char *name, const struct stat *status) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%.*s%s.wh.%s", (int)parent_length, pack->path, parent_length == 0 ? "" : "/", name);
    return write_marker(pack, path, status->st_mtim);
}

static int write_folder(struct pack *pack, struct tar_entry *entry, bool opaque) {
    if (*entry->path == 0 && is_layer(pack)) memcpy(entry->path, ".", 2);
    if (tar_write_header(pack->output, entry) < 0) return -1;
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s%s.wh..wh..opq", pack->path, *pack->path == 0 ? "" : "/");
    return opaque && is_layer(pack) ? write_marker(pack, path, entry->mtime) : 0;
}

static int fill_type(struct pack *pack, int parent, const char *name, const struct stat *status, struct tar_entry *entry) {
    entry->major = major(status->st_rdev);
    entry->minor = minor(status->st_rdev);
    switch (status->st_mode & S_IFMT) {
        case S_IFREG: entry->type = TAR_FILE; return 0;
        case S_IFDIR: entry->type = TAR_DIRECTORY; break;
        case S_IFCHR: entry->type = TAR_CHARACTER; return 0;
        case S_IFBLK: entry->type = TAR_BLOCK_DEVICE; return 0;
        case S_IFIFO: entry->type = TAR_FIFO; break;
        default: {
            entry->type = TAR_SYMLINK;
            ssize_t length = readlinkat(parent, name, entry->link, PATH_MAX - 1);
            if (length < 0) return archive_fail_errno(pack->failure, errno, "readlink");
            entry->link[length] = 0;
        }
    }
    entry->major = entry->minor = 0;
    return 0;
}

/* Bring a time that is too late down, here and on the disk: the folder and its tar are to tell the same. */
static int limit_time(struct pack *pack, int parent, const char *name, struct stat *status) {
    if (status->st_mtim.tv_sec < pack->options->latest) return 0;
    if (status->st_mtim.tv_sec == pack->options->latest && status->st_mtim.tv_nsec == 0) return 0;
    status->st_mtim = (struct timespec){.tv_sec = pack->options->latest};
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, status->st_mtim};
    if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) == 0) return 0;
    return archive_fail_errno(pack->failure, errno, "utimensat");
}

/* Write what is at pack->path, which is `name` in the open folder `parent`. 1 for a folder to go into. */
static int write_one(struct pack *pack, int parent, size_t parent_length, const char *name, struct stat *status) {
    if (limit_time(pack, parent, name, status) < 0) return -1;
    if (!is_layer(pack)) status->st_mtim.tv_nsec = 0;
    pack->totals->entries++;
    char path[2 * PATH_MAX], link[2 * PATH_MAX] = "", proc_path[64 + NAME_MAX];
    struct tar_entry entry = {.path = path, .link = link, .mtime = status->st_mtim, .mode = status->st_mode & 07777,
                              .uid = owners_shown_uid(status->st_uid),
                              .gid = owners_shown_gid(status->st_gid)};
    if (S_ISSOCK(status->st_mode)) return 0;
    if (is_layer(pack) && S_ISCHR(status->st_mode) && status->st_rdev == makedev(0, 0))
        return write_whiteout(pack, parent_length, name, status);
    entry_name(pack, path);
    snprintf(proc_path, sizeof proc_path, "/proc/self/fd/%d/%s", parent, name);
    bool opaque = false;
    int result = fill_type(pack, parent, name, status, &entry);
    const char *earlier = NULL;
    if (result == 0 && !S_ISDIR(status->st_mode) && status->st_nlink > 1) earlier = earlier_name(pack, status);
    if (earlier != NULL) {
        entry.type = TAR_HARDLINK;
        entry.major = entry.minor = 0;
        snprintf(link, sizeof link, "%s", earlier);
    }
    /* Of a further name too: who unpacks it sets the owner again, which takes a file's capabilities away. */
    if (result == 0) result = read_xattrs(pack, proc_path, &entry, &opaque);
    if (pack->failure->code != 0) result = -1;
    if (result == 0 && entry.type == TAR_FILE) result = write_file(pack, parent, name, status, &entry);
    else if (result == 0 && entry.type == TAR_DIRECTORY) result = write_folder(pack, &entry, opaque);
    else if (result == 0) result = tar_write_header(pack->output, &entry);
    free(entry.extents);
    for (size_t i = 0; i < entry.xattr_count; i++) {
        free(entry.xattrs[i].name);
        free(entry.xattrs[i].value);
    }
    free(entry.xattrs);
    return result < 0 ? -1 : S_ISDIR(status->st_mode);
}

/* The next name of the innermost folder: 1 to go into it, 0 to go on, -1. */
static int step(struct pack *pack, struct level *level) {
    const char *name = level->names[level->next++];
    pack->path[level->length] = 0;
    int parent = open_folder(pack, pack->path);
    if (parent < 0 && has_vanished(pack, errno)) return 0;
    if (parent < 0) return archive_fail_errno(pack->failure, errno, "open of a folder");
    int length = snprintf(pack->path + level->length, sizeof pack->path - level->length, "%s%s",
                          level->length == 0 ? "" : "/", name);
    struct stat status;
    int result;
    if ((size_t)length >= sizeof pack->path - level->length)
        result = archive_fail(pack->failure, ARCHIVE_SYSTEM, "name has over 4095 bytes");
    else if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0) /* Removed since the folder was read. */
        result = errno == ENOENT ? 0 : archive_fail_errno(pack->failure, errno, "stat");
    else
        result = write_one(pack, parent, level->length, name, &status);
    close(parent);
    return result;
}

static int pack_folder(struct pack *pack) {
    struct stat status;
    if (fstat(pack->root, &status) < 0) return archive_fail_errno(pack->failure, errno, "stat");
    if (write_one(pack, pack->root, 0, ".", &status) < 0 || enter(pack) < 0) return -1;
    while (pack->depth > 0) {
        struct level *level = &pack->levels[pack->depth - 1];
        int result = 0;
        if (level->next == level->count) leave(pack);
        else result = step(pack, level);
        if (result > 0) result = enter(pack);
        if (result < 0) return -1;
    }
    return 0;
}

/* The prefix is then the whole name in the archive. */
static int pack_one(struct pack *pack, const char *name) {
    struct stat status;
    if (fstatat(pack->root, name, &status, AT_SYMLINK_NOFOLLOW) < 0) return archive_fail_errno(pack->failure, errno, "stat");
    if (S_ISDIR(status.st_mode)) return archive_fail(pack->failure, ARCHIVE_SYSTEM, "it has become a folder meanwhile");
    return write_one(pack, pack->root, 0, name, &status);
}

/* Put the entry's name in front of a failure. */
static void name_failure(const struct pack *pack) {
    char name[320], text[sizeof pack->failure->text];
    memcpy(text, pack->failure->text, sizeof text);
    archive_printable(pack->path, name, sizeof name);
    snprintf(pack->failure->text, sizeof text, "%s: %.400s", name, text);
}

int pack_files(int root, const char *name, const struct pack_options *options, struct tar_output *output,
               struct pack_totals *totals) {
    static struct pack pack;
    pack = (struct pack){.options = options, .root = root, .output = output, .totals = totals, .failure = output->failure};
    int result = name == NULL ? pack_folder(&pack) : pack_one(&pack, name);
    if (result == 0) result = tar_write_end(output);
    if (result < 0) name_failure(&pack);
    while (pack.depth > 0) leave(&pack);
    tdestroy(pack.written, free_written);
    free(pack.levels);
    return result;
}
