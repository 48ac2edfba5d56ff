#include "users.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "rootpath.h"

#define MAX_LINE 65536
#define MAX_FIELDS 7

/* A file read line by line; a line over the limit is passed over as a whole, as is one with too few fields. */
struct lines {
    int fd;
    /* what comes is the rest of a line over the limit */
    int is_rest;
    size_t start, end;
    char buffer[MAX_LINE];
};

/* The next line, cut at its colons; returns the number of fields, 0 at the end. */
static int next_entry(struct lines *lines, char *fields[MAX_FIELDS]) {
    for (;;) {
        char *newline = memchr(lines->buffer + lines->start, '\n', lines->end - lines->start);
        if (!newline) {
            memmove(lines->buffer, lines->buffer + lines->start, lines->end - lines->start);
            lines->end -= lines->start;
            lines->start = 0;
            if (lines->end == sizeof lines->buffer) {
                lines->end = 0;
                lines->is_rest = 1;
            }
            ssize_t got = read(lines->fd, lines->buffer + lines->end, sizeof lines->buffer - lines->end);
            if (got > 0) {
                lines->end += (size_t)got;
                continue;
            }
            if (lines->end == 0) return 0;
            newline = lines->buffer + lines->end++;
        }
        *newline = 0;
        char *at = lines->buffer + lines->start;
        lines->start = (size_t)(newline - lines->buffer) + 1;
        if (lines->is_rest) {
            lines->is_rest = 0;
            continue;
        }
        int count = 0;
        while (at && count < MAX_FIELDS) {
            fields[count++] = at;
            at = strchr(at, ':');
            if (at) *at++ = 0;
        }
        if (count >= 3) return count;
    }
}

/* Only a regular file is read, and nothing else is even opened: a fifo could block the launch, a device act on it. */
static int open_lines(int root, const char *path, struct lines *lines) {
    struct stat named, opened;
    lines->start = lines->end = 0;
    lines->is_rest = 0;
    lines->fd = -1;
    AUTO_FD place = root_open(root, path, O_PATH);
    if (place < 0) return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1;
    if (fstat(place, &named) || !S_ISREG(named.st_mode)) return 0;
    lines->fd = root_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (lines->fd < 0) return -1;
    if (fstat(lines->fd, &opened) == 0 && opened.st_ino == named.st_ino && opened.st_dev == named.st_dev) return 1;
    close(lines->fd);
    return 0;
}

/* A whole decimal number that fits an id. */
static int parse_id(const char *text, uint32_t *id) {
    uint64_t value = 0;
    if (!*text) return 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return 0;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > INT32_MAX) return 0;
    }
    *id = (uint32_t)value;
    return 1;
}

static void add_group(struct identity *identity, gid_t gid) {
    for (size_t i = 0; i < identity->group_count; i++)
        if (identity->groups[i] == gid) return;
    if (identity->group_count < MAX_GROUPS) identity->groups[identity->group_count++] = gid;
}

static struct lines file;

/* Is `name` one of the comma-separated members? */
static int is_member(const char *members, const char *name) {
    size_t length = strlen(name);
    while (*members) {
        size_t one = strcspn(members, ",");
        if (one == length && memcmp(members, name, one) == 0) return 1;
        members += one + (members[one] == ',');
    }
    return 0;
}

static int add_memberships(int root, const char *user, struct identity *identity, struct failure *failure) {
    char *fields[MAX_FIELDS];
    int opened = open_lines(root, "etc/group", &file);
    if (opened <= 0) return opened < 0 ? fail(failure, "open", "/etc/group") : 0;
    AUTO_FD fd = file.fd;
    int count;
    uint32_t gid;
    while ((count = next_entry(&file, fields)) > 0)
        if (count >= 4 && parse_id(fields[2], &gid) && is_member(fields[3], user)) add_group(identity, gid);
    return 0;
}

static int find_group(int root, const char *group, gid_t *gid, struct failure *failure) {
    char *fields[MAX_FIELDS];
    uint32_t number = 0, id;
    int numeric = parse_id(group, &number);
    int opened = open_lines(root, "etc/group", &file);
    if (opened < 0) return fail(failure, "open", "/etc/group");
    AUTO_FD fd = opened ? file.fd : -1;
    while (opened && next_entry(&file, fields) > 0) {
        if (strcmp(fields[0], group) != 0 || !parse_id(fields[2], &id)) continue;
        *gid = id;
        return 0;
    }
    if (!numeric) return fail_with(failure, ENOENT, "group", group);
    *gid = number;
    return 0;
}

int identity_by_name(int root, const char *user, const char *group, struct identity *identity, struct failure *failure) {
    char *fields[MAX_FIELDS];
    static char name[256];
    uint32_t number = 0, uid, gid;
    int numeric = *user == 0 || parse_id(user, &number);
    int found = 0;
    strcpy(identity->home, "/");
    name[0] = 0;
    int opened = open_lines(root, "etc/passwd", &file);
    if (opened < 0) return fail(failure, "open", "/etc/passwd");
    if (opened) {
        AUTO_FD fd = file.fd;
        int count;
        while (!found && (count = next_entry(&file, fields)) > 0) {
            if (count < 4 || !parse_id(fields[2], &uid) || !parse_id(fields[3], &gid)) continue;
            if ((*user == 0 || strcmp(fields[0], user) != 0) && !(numeric && uid == number)) continue;
            found = 1;
            identity->uid = uid;
            identity->gid = gid;
            append_text(name, sizeof name, fields[0]);
            if (count >= 6 && fields[5][0] == '/' && strlen(fields[5]) < sizeof identity->home) strcpy(identity->home, fields[5]);
        }
    }
    if (!found) {
        if (!numeric) return fail_with(failure, ENOENT, "user", user);
        identity->uid = number;
        identity->gid = 0;
    }
    if (*group && find_group(root, group, &identity->gid, failure)) return -1;
    // Also among the additional groups: a file's "none for its group" must hold whoever asks (CVE-2022-2989).
    add_group(identity, identity->gid);
    if (*group) return 0;
    return name[0] ? add_memberships(root, name, identity, failure) : 0;
}

int identity_add_group(int root, const char *group, struct identity *identity, struct failure *failure) {
    gid_t gid;
    if (find_group(root, group, &gid, failure)) return -1;
    add_group(identity, gid);
    return 0;
}

int identity_find_home(int root, struct identity *identity, struct failure *failure) {
    char *fields[MAX_FIELDS];
    uint32_t uid;
    strcpy(identity->home, "/");
    int opened = open_lines(root, "etc/passwd", &file);
    if (opened <= 0) return opened < 0 ? fail(failure, "open", "/etc/passwd") : 0;
    AUTO_FD fd = file.fd;
    int count;
    while ((count = next_entry(&file, fields)) > 0) {
        if (count < 6 || !parse_id(fields[2], &uid) || uid != identity->uid) continue;
        if (fields[5][0] == '/' && strlen(fields[5]) < sizeof identity->home) strcpy(identity->home, fields[5]);
        break;
    }
    return 0;
}
