/*
 * gantry-shim archive stat|get|put [OPTION VALUE]... PATH
 *
 * Copies files out of a tree and into it as tar (docker cp). The tree is that of a container with --view, the machine's
 * own without. PATH is absolute; "/" or "/." at its end asks for a folder. No link leads out of the tree.
 *   stat   prints MODE SIZE SECONDS NANOSECONDS TARGET, each ended with NUL: the type is in MODE (octal), TARGET is where a
 *          link leads in the end
 *   get    prints the same, and then what is at PATH as a tar
 *   put    unpacks the tar on stdin (behind the plan) into the folder PATH
 * --view stdin   a plan of mounts (container_view.h) comes first on stdin
 * --process PID  the container runs; --group is its control group
 * --name NAME    what names in the tar begin with
 * --keep-kinds yes, --rename-from OLD --rename-to NEW: see archive_unpack.h
 * --owner USER[:GROUP] | self   whose all of it becomes; names are looked up in the container
 * Exit codes: 66 nothing is at PATH (EX_NOINPUT), 77 it is read-only (EX_NOPERM), else as archive_failure.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "archive_pack.h"
#include "archive_tree.h"
#include "archive_unpack.h"
#include "cleanup.h"
#include "container_view.h"
#include "disk_limits.h"
#include "files_view.h"
#include "modes.h"
#include "rootpath.h"
#include "users.h"

enum { NOTHING_THERE = 66, READ_ONLY = 77, PLAN_TOTAL_AT = 16 };

struct request {
    const char *command, *path, *view, *name, *keep_kinds, *owner, *rename_from, *rename_to;
    struct view_process process;
    int root;
    struct archive_failure failure;
};

static int usage(void) {
    fputs("usage: gantry-shim archive stat|get|put [--view stdin] [--process PID --group GROUP] [--name NAME] [--keep-kinds yes]"
          " [--owner USER] [--rename-from OLD --rename-to NEW] PATH\n", stderr);
    return 2;
}

static int parse(int argc, char **argv, struct request *request) {
    const struct {
        const char *name;
        const char **value;
    } options[] = {
        {"--view", &request->view},           {"--process", &request->process.pid}, {"--group", &request->process.group},
        {"--name", &request->name},           {"--keep-kinds", &request->keep_kinds}, {"--owner", &request->owner},
        {"--rename-from", &request->rename_from}, {"--rename-to", &request->rename_to},
    };
    if (argc < 3) return -1;
    request->command = argv[1];
    request->path = argv[argc - 1];
    for (int at = 2; at < argc - 1; at += 2) {
        size_t i = 0;
        while (i < sizeof options / sizeof *options && strcmp(options[i].name, argv[at]) != 0) i++;
        if (i == sizeof options / sizeof *options || at + 1 >= argc - 1) return -1;
        *options[i].value = argv[at + 1];
    }
    bool half = (request->process.pid == NULL) != (request->process.group == NULL) ||
                (request->rename_from == NULL) != (request->rename_to == NULL);
    return half || *request->path != '/' ? -1 : 0;
}

static int failed(struct request *request, const char *what) {
    char path[320];
    archive_printable(request->path, path, sizeof path);
    if (errno == ENOENT) return archive_fail(&request->failure, NOTHING_THERE, "%s %s: no such file or directory", what, path);
    if (errno == ENOTDIR) return archive_fail(&request->failure, ARCHIVE_BAD, "%s %s: not a directory", what, path);
    if (errno == ELOOP) return archive_fail(&request->failure, ARCHIVE_BAD, "%s %s: too many links", what, path);
    return archive_fail_errno(&request->failure, errno, "%s %s", what, path);
}

static int read_exactly(uint8_t *bytes, size_t size, struct archive_failure *failure) {
    for (size_t done = 0; done < size;) {
        ssize_t got = read(STDIN_FILENO, bytes + done, size - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return archive_fail_errno(failure, errno, "read of the plan");
        if (got == 0) return archive_fail(failure, ARCHIVE_SYSTEM, "the plan is truncated");
        done += (size_t)got;
    }
    return 0;
}

/* Not a byte more than its header says: an archive may follow. */
static uint8_t *read_plan(size_t *size, struct archive_failure *failure) {
    uint8_t header[PLAN_HEADER_BYTES];
    uint32_t total;
    if (read_exactly(header, sizeof header, failure) < 0) return NULL;
    memcpy(&total, header + PLAN_TOTAL_AT, sizeof total);
    *size = total < sizeof header || total > PLAN_MAX_BYTES ? sizeof header : total;
    uint8_t *bytes = malloc(*size);
    if (bytes == NULL) {
        archive_fail_errno(failure, errno, "memory for the plan");
        return NULL;
    }
    memcpy(bytes, header, sizeof header);
    if (read_exactly(bytes + sizeof header, *size - sizeof header, failure) == 0) return bytes;
    free(bytes);
    return NULL;
}

static int open_view(struct request *request) {
    static struct plan plan;
    if (request->view == NULL) {
        int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return root < 0 ? failed(request, "open") : root;
    }
    size_t size;
    uint8_t *bytes = read_plan(&size, &request->failure);
    if (bytes == NULL) return -1;
    /* The plan points into the bytes, which so stay to the end. */
    const char *refused = plan_parse_part(bytes, size, &plan);
    if (refused) return archive_fail(&request->failure, ARCHIVE_SYSTEM, "%s", refused);
    struct failure why = {0};
    int root = container_view_open(&plan, request->process.pid ? &request->process : NULL, &why);
    return root < 0 ? archive_fail_errno(&request->failure, why.error, "%s", why.detail) : root;
}

static bool asserts_folder(const char *path) {
    size_t length = strlen(path);
    return path[length - 1] == '/' || (length > 1 && path[length - 1] == '.' && path[length - 2] == '/');
}

/* What is at the path: its last link is not followed unless a folder is asked for. O_PATH. */
static int locate(struct request *request, struct stat *status) {
    int flags = O_PATH | (asserts_folder(request->path) ? O_DIRECTORY : O_NOFOLLOW);
    int fd = root_open(request->root, request->path, flags);
    if (fd < 0 || fstat(fd, status) < 0) return failed(request, "lstat");
    return fd;
}

static int print_status(struct request *request, const struct stat *status) {
    char target[PATH_MAX] = "", slash[] = "/";
    if (!S_ISLNK(status->st_mode)) *slash = 0;
    else if (view_resolve(request->root, request->path, target) < 0) return failed(request, "lstat");
    printf("%o%c%" PRId64 "%c%" PRId64 "%c%ld%c%s%s%c", status->st_mode, 0, (int64_t)status->st_size, 0,
           (int64_t)status->st_mtim.tv_sec, 0, status->st_mtim.tv_nsec, 0, slash, target, 0);
    return fflush(stdout) == 0 ? 0 : failed(request, "write");
}

/* The open folder that holds the path's last name. */
static int open_parent(struct request *request, const char **name) {
    char parent[PATH_MAX];
    const char *slash = strrchr(request->path, '/');
    size_t length = (size_t)(slash - request->path);
    if (length >= sizeof parent) return errno = ENAMETOOLONG, failed(request, "open");
    memcpy(parent, request->path, length);
    parent[length] = 0;
    *name = slash + 1;
    int fd = root_open(request->root, parent, O_RDONLY | O_DIRECTORY);
    return fd < 0 ? failed(request, "open") : fd;
}

static int get(struct request *request, bool status_only) {
    static struct tar_output output;
    struct stat status;
    AUTO_FD place = locate(request, &status);
    if (place < 0 || print_status(request, &status) < 0) return -1;
    if (status_only) return 0;
    const char *name = NULL;
    AUTO_FD folder = S_ISDIR(status.st_mode) ? openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                                             : open_parent(request, &name);
    if (folder < 0) return failed(request, "open");
    struct pack_options options = {.prefix = request->name ? request->name : "", .latest = INT64_MAX};
    struct pack_totals totals = {0};
    output.fd = STDOUT_FILENO;
    output.unhashed = true;
    output.failure = &request->failure;
    return pack_files(folder, name, &options, &output, &totals);
}

/* A read-only root is told from a read-only volume by its mount. */
static int refuse_readonly(struct request *request, int folder) {
    struct statvfs system;
    struct statx here, root;
    if (fstatvfs(folder, &system) < 0) return failed(request, "statvfs");
    if ((system.f_flag & ST_RDONLY) == 0) return 0;
    bool is_root = statx(folder, "", AT_EMPTY_PATH, STATX_MNT_ID, &here) == 0 &&
                   statx(request->root, "", AT_EMPTY_PATH, STATX_MNT_ID, &root) == 0 && here.stx_mnt_id == root.stx_mnt_id;
    return archive_fail(&request->failure, READ_ONLY, "%s",
                        is_root ? "container rootfs is marked read-only" : "mounted volume is marked read-only");
}

static int find_owner(struct request *request, struct unpack_target *target) {
    static struct identity identity;
    struct failure why = {0};
    target->owned = request->owner != NULL;
    target->uid = geteuid();
    target->gid = getegid();
    if (request->owner == NULL || strcmp(request->owner, "self") == 0) return 0;
    char *user = strdup(request->owner);
    if (user == NULL) return archive_fail_errno(&request->failure, errno, "memory for a name");
    char *group = strchr(user, ':');
    if (group) *group++ = 0;
    int found = identity_by_name(request->root, user, group ? group : "", &identity, &why);
    free(user);
    if (found < 0) return archive_fail(&request->failure, ARCHIVE_BAD, "unable to find %s: no matching entries in passwd or group file", why.detail);
    target->uid = identity.uid;
    target->gid = identity.gid;
    return 0;
}

static int put(struct request *request) {
    char base[PATH_MAX];
    if (view_resolve(request->root, request->path, base) < 0) return failed(request, "lstat");
    AUTO_FD folder = root_open(request->root, base, O_RDONLY | O_DIRECTORY);
    if (folder < 0 && errno == ENOTDIR) return archive_fail(&request->failure, ARCHIVE_BAD, "extraction point is not a directory");
    if (folder < 0) return failed(request, "lstat");
    if (request->view != NULL && refuse_readonly(request, folder) < 0) return -1;
    if (disk_limits_obey() < 0) return failed(request, "capset");
    char shown[PATH_MAX + 2];
    snprintf(shown, sizeof shown, "/%s", base);
    struct unpack_target target = {
        .whole = request->root,
        .folder = folder,
        .base = base,
        .shown = shown,
        .keep_kinds = request->keep_kinds != NULL,
        .rename_from = request->rename_from,
        .rename_to = request->rename_to,
    };
    if (find_owner(request, &target) < 0) return -1;
    return unpack_to_target(STDIN_FILENO, &target, &request->failure);
}

int mode_archive(int argc, char **argv) {
    static struct request request;
    if (parse(argc, argv, &request) < 0) return usage();
    bool into = strcmp(request.command, "put") == 0, status_only = strcmp(request.command, "stat") == 0;
    if (!into && !status_only && strcmp(request.command, "get") != 0) return usage();
    umask(0);
    request.root = open_view(&request);
    if (request.root >= 0 && into) put(&request);
    else if (request.root >= 0) get(&request, status_only);
    if (request.failure.code == 0) return 0;
    fprintf(stderr, "%s\n", request.failure.text);
    return request.failure.code;
}
