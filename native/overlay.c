#include "overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "mounts.h"
#include "overlay_notes.h"

#define LAYER "lowerdir+"

static int give_layers(const struct field *list, take_option take, void *to, struct failure *failure) {
    const char *cursor = list->s;
    for (uint32_t i = 0; i < list->n; i++)
        if (take(to, LAYER, plan_list_next(&cursor), failure)) return -1;
    return 0;
}

static int give_root(const struct operation *op, take_option take, void *to, struct failure *failure) {
    if (give_layers(&op->f[0], take, to, failure)) return -1;
    if (op->f[1].n > 0) {
        if (take(to, "upperdir", op->f[1].s, failure) || take(to, "workdir", op->f[2].s, failure)) return -1;
        /* With an index a folder is refused that the shim of a container just ended still holds; see hold_root. */
        if (take(to, "index", "off", failure)) return -1;
    }
    const char *cursor = op->f[3].s;
    /* They keep overlayfs from notes that mean nothing elsewhere; with userxattr it makes none, and refuses the words. */
    for (uint32_t i = 0; i < op->f[3].n && !in_user_namespace(); i++)
        if (mount_options_each(plan_list_next(&cursor), take, to, failure)) return -1;
    return 0;
}

static int give_options(const struct operation *op, take_option take, void *to, struct failure *failure) {
    if (in_user_namespace() && take(to, "userxattr", NULL, failure)) return -1;
    switch (op->code) {
    case OP_ROOTFS_OVERLAY: return give_root(op, take, to, failure);
    case OP_UNION_PATH: return give_layers(&op->f[0], take, to, failure);
    default: return mount_options_each(op->f[4].s, take, to, failure);
    }
}

static int configure(void *to, const char *key, const char *value, struct failure *failure) {
    unsigned command = value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
    if (syscall(SYS_fsconfig, *(int *)to, command, key, value, 0) == 0) return 0;
    return fail(failure, value ? "overlay folder" : "overlay option", value ? value : key);
}

static int tree_of_layers(const struct operation *op, uint64_t attributes, struct failure *failure) {
    AUTO_FD fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
    if (fs < 0) return fail(failure, "fsopen", "overlay");
    if (configure(&fs, "source", "overlay", failure) || give_options(op, configure, &fs, failure)) return -1;
    if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0)) return fail(failure, "overlay", op->f[1].s);
    int tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, (unsigned)attributes);
    return tree < 0 ? fail(failure, "fsmount", "overlay") : tree;
}

/* The options of mount(2), a page at most, with the place where it is mounted for a moment. */
struct text {
    char options[4096];
    char place[4096];
};

static void append_escaped(char *options, uint32_t size, const char *value) {
    for (; *value; value++) {
        char letters[3] = {'\\', *value, 0};
        append_text(options, size, letters + (strchr("\\:,", *value) == NULL));
    }
}

/* The topmost layer begins the list that the others continue. */
static int append_option(void *to, const char *key, const char *value, struct failure *failure) {
    struct text *text = to;
    const uint32_t size = sizeof text->options;
    bool is_layer = strcmp(key, LAYER) == 0, continues = is_layer && text->place[0];
    if (!continues && text->options[0]) append_text(text->options, size, ",");
    append_text(text->options, size, continues ? ":" : is_layer ? "lowerdir" : key);
    if (is_layer && !continues) append_text(text->place, sizeof text->place, value);
    if (value && !continues) append_text(text->options, size, "=");
    if (value) append_escaped(text->options, size, value);
    if (strlen(text->options) < size - 1) return 0;
    return fail_with(failure, E2BIG, "overlay with too many layers for this kernel", "");
}

static int tree_of_string(const struct operation *op, uint64_t attributes, struct failure *failure) {
    static struct text text;
    memset(&text, 0, sizeof text);
    if (give_options(op, append_option, &text, failure)) return -1;
    if (mount_surrounding_private(text.place, failure)) return -1;
    if (mount("overlay", text.place, "overlay", 0, text.options)) return fail(failure, "mount overlay on", text.place);
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, text.place, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0) fail(failure, "open_tree", text.place);
    umount2(text.place, MNT_DETACH);
    struct mount_attr attr = {.attr_set = attributes};
    if (tree < 0 || attributes == 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0) return tree;
    fail(failure, "mount_setattr", text.place);
    close(tree);
    return -1;
}

int overlay_tree(const struct operation *op, uint64_t attributes, struct failure *failure) {
    int tree = tree_of_layers(op, attributes, failure);
    /* Before 6.7 the word for one layer is not known; before 6.5 that is told only when all words are there. */
    return tree < 0 && failure->error == EINVAL ? tree_of_string(op, attributes, failure) : tree;
}
