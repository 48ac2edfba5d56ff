/*
 * The second life of a shim: one poll(2) loop that moves stdio, answers connections, reaps, and records the end.
 * A slow attachment holds the output back (as Docker does); a vanished one is forgotten.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cgroups.h"
#include "container.h"
#include "exit_record.h"
#include "logfile.h"
#include "program_pages.h"
#include "task.h"

#define MAX_CONNECTIONS 128
#define OUTPUT_BYTES 65536
#define INPUT_BYTES 65536
#define MAX_SOURCES (MAX_CONNECTIONS + 8)

enum { MASK_STDOUT = 1, MASK_STDERR = 2, MASK_STDIN = 4 };

struct connection {
    int fd;
    /* 0 for a control connection, else what it is attached to */
    uint8_t mask;
    uint8_t attached;
    uint8_t input_ended;
    /* a control frame that is not whole yet */
    uint8_t frame[FRAME_HEAD_BYTES + FRAME_MAX_BODY];
    uint32_t frame_used;
    /* output the connection did not take yet; mapped on first need */
    char *pending;
    uint32_t pending_at, pending_size;
};

static struct connection connections[MAX_CONNECTIONS];
static struct task *task;
static int forgotten;
static int start_requested;
/* bytes for the process's stdin that its pipe did not take yet */
static char input[INPUT_BYTES];
static uint32_t input_at, input_size;
static uint8_t input_closing;
/* one frame head and the bytes read */
static char output[FRAME_HEAD_BYTES + OUTPUT_BYTES];
#define PENDING_BYTES (4 * sizeof output)

static void drop(struct connection *connection) {
    close(connection->fd);
    if (connection->pending) munmap(connection->pending, PENDING_BYTES);
    *connection = (struct connection){.fd = -1};
}

static void broadcast(uint8_t kind, const void *body, uint32_t size) {
    for (size_t i = 0; i < MAX_CONNECTIONS; i++)
        if (connections[i].fd >= 0 && !connections[i].attached) send_frame(connections[i].fd, kind, body, size);
}

/* Give what is pending; returns -1 when the connection is gone. */
static int give_pending(struct connection *connection) {
    while (connection->pending_size > 0) {
        ssize_t sent = send(connection->fd, connection->pending + connection->pending_at, connection->pending_size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
        connection->pending_at += (uint32_t)sent;
        connection->pending_size -= (uint32_t)sent;
    }
    connection->pending_at = 0;
    return 0;
}

static void give(struct connection *connection, const char *bytes, size_t size) {
    ssize_t sent = 0;
    if (connection->pending_size == 0) sent = send(connection->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        drop(connection);
        return;
    }
    if (sent < 0) sent = 0;
    if ((size_t)sent == size) return;
    if (!connection->pending) {
        connection->pending = mmap(NULL, PENDING_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (connection->pending == MAP_FAILED) connection->pending = NULL;
    }
    size -= (size_t)sent;
    size_t end = connection->pending_at + connection->pending_size;
    /* Output is read only while nothing is pending, so this holds but for the last bytes of an ended task. */
    if (!connection->pending || size > PENDING_BYTES - end) {
        drop(connection);
        return;
    }
    memcpy(connection->pending + end, bytes + sent, size);
    connection->pending_size += (uint32_t)size;
}

static int is_held_back(void) {
    for (size_t i = 0; i < MAX_CONNECTIONS; i++)
        if (connections[i].fd >= 0 && connections[i].pending_size > 0) return 1;
    return 0;
}

/* Read once from a stream and pass it on. Returns bytes read, 0 at the end, -1 when there is nothing now. */
static ssize_t pump(int fd, int stream, int terminal) {
    ssize_t got = read(fd, output + FRAME_HEAD_BYTES, OUTPUT_BYTES);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? -1 : 0;
    if (got == 0) return 0;
    uint32_t length = htobe32((uint32_t)got);
    memset(output, 0, 4);
    output[0] = (char)(stream + 1);
    memcpy(output + 4, &length, sizeof length);
    uint8_t bit = stream == LOG_STDOUT ? MASK_STDOUT : MASK_STDERR;
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
        struct connection *connection = &connections[i];
        if (connection->fd < 0 || !connection->attached || !(connection->mask & bit)) continue;
        if (terminal) give(connection, output + FRAME_HEAD_BYTES, (size_t)got);
        else give(connection, output, FRAME_HEAD_BYTES + (size_t)got);
    }
    logfile_append(stream, output + FRAME_HEAD_BYTES, (size_t)got);
    return got;
}

static void pump_source(int *fd, int stream, int terminal) {
    if (*fd < 0 || pump(*fd, stream, terminal) != 0) return;
    close(*fd);
    *fd = -1;
}

static int stdin_fd(void) {
    return task->master >= 0 ? task->master : task->input;
}

static void close_stdin(void) {
    /* A terminal's end of file is a key, not a close. */
    if (task->input >= 0) close(task->input);
    task->input = -1;
    input_size = 0;
}

static void give_input(void) {
    while (input_size > 0 && stdin_fd() >= 0) {
        ssize_t written = write(stdin_fd(), input + input_at, input_size);
        if (written < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (written < 0) {
            close_stdin();
            return;
        }
        input_at += (uint32_t)written;
        input_size -= (uint32_t)written;
    }
    input_at = 0;
    if (input_closing && input_size == 0) close_stdin();
}

/* stdin bytes, or the end of them, from an attachment. */
static void take_input(struct connection *connection) {
    if (input_size > 0) return;
    ssize_t got = recv(connection->fd, input, sizeof input, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) {
        drop(connection);
        return;
    }
    if (got == 0) {
        connection->input_ended = 1;
        if (connection->mask & MASK_STDIN && task->stdin_once) input_closing = 1;
    } else if (connection->mask & MASK_STDIN && stdin_fd() >= 0) {
        input_at = 0;
        input_size = (uint32_t)got;
    }
    give_input();
}

static uint32_t body32(const struct connection *connection) {
    uint32_t value;
    memcpy(&value, connection->frame + FRAME_HEAD_BYTES, sizeof value);
    return be32toh(value);
}

static void answer_done(int fd, int error) {
    uint32_t body = htobe32((uint32_t)error);
    send_frame(fd, FRAME_DONE, &body, sizeof body);
}

static int send_signal(uint32_t number) {
    if (task->phase == TASK_ENDED) return ESRCH;
    return syscall(SYS_pidfd_send_signal, task->pidfd, (int)number, NULL, 0) ? errno : 0;
}

static int resize(const struct connection *connection) {
    uint16_t numbers[2];
    memcpy(numbers, connection->frame + FRAME_HEAD_BYTES, sizeof numbers);
    struct winsize size = {.ws_row = be16toh(numbers[0]), .ws_col = be16toh(numbers[1])};
    if (task->master < 0) return ENOTTY;
    return ioctl(task->master, TIOCSWINSZ, &size) ? errno : 0;
}

static void start_task(void) {
    struct sync_message message = {.kind = SYNC_START};
    if (task->sync < 0) return;
    (void)send(task->sync, &message, sizeof message, MSG_NOSIGNAL);
    start_requested = 1;
}

static void forget(void) {
    forgotten = 1;
    if (task->phase != TASK_ENDED) send_signal(SIGKILL);
}

static void answer(struct connection *connection, uint32_t size) {
    switch (connection->frame[0]) {
    case FRAME_HELLO: send_state(connection->fd, task); break;
    case FRAME_START: start_task(); break;
    case FRAME_SIGNAL: answer_done(connection->fd, size == 4 ? send_signal(body32(connection)) : EPROTO); break;
    case FRAME_RESIZE: answer_done(connection->fd, size == 4 ? resize(connection) : EPROTO); break;
    case FRAME_SUBSCRIBE:
        connection->mask = size == 1 ? connection->frame[FRAME_HEAD_BYTES] : 0;
        connection->attached = 1;
        send_frame(connection->fd, FRAME_SUBSCRIBED, NULL, 0);
        if (task->phase == TASK_ENDED) drop(connection);
        break;
    case FRAME_FORGET: forget(); break;
    default: drop(connection); break;
    }
}

/* Exactly one frame at a time is read, so that bytes after FRAME_SUBSCRIBE stay in the socket as stdin. */
static void take_frame(struct connection *connection) {
    uint32_t wanted = FRAME_HEAD_BYTES;
    if (connection->frame_used >= FRAME_HEAD_BYTES) {
        uint32_t length;
        memcpy(&length, connection->frame + 4, sizeof length);
        wanted += be32toh(length);
    }
    if (wanted > sizeof connection->frame) {
        drop(connection);
        return;
    }
    if (connection->frame_used < wanted) {
        ssize_t got = recv(connection->fd, connection->frame + connection->frame_used, wanted - connection->frame_used, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) {
            drop(connection);
            return;
        }
        connection->frame_used += (uint32_t)got;
    }
    if (connection->frame_used < FRAME_HEAD_BYTES) return;
    uint32_t length;
    memcpy(&length, connection->frame + 4, sizeof length);
    length = be32toh(length);
    if (length <= FRAME_MAX_BODY && connection->frame_used < FRAME_HEAD_BYTES + length) return;
    connection->frame_used = 0;
    if (length > FRAME_MAX_BODY) drop(connection);
    else answer(connection, length);
}

static void accept_connection(void) {
    int fd = accept4(task->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
        if (connections[i].fd >= 0) continue;
        connections[i] = (struct connection){.fd = fd};
        return;
    }
    close(fd);
}

/* The new process has executed its program (its end of the socket pair is closed), or says why it could not. */
static void take_sync(void) {
    struct sync_message message;
    /* Both its descriptor and the end of the process tell of it, in one round of poll perhaps. */
    if (task->sync < 0) return;
    ssize_t size = recv(task->sync, &message, sizeof message, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    close(task->sync);
    task->sync = -1;
    /* Closed before it was told to run: it is dead, and its end is about to be heard of. */
    if (!start_requested) return;
    if (size == (ssize_t)sizeof message && message.kind == SYNC_FAILED) {
        for (size_t i = 0; i < MAX_CONNECTIONS; i++)
            if (connections[i].fd >= 0 && !connections[i].attached) send_failure(connections[i].fd, FRAME_FAILED, &message.failure);
        return;
    }
    task->phase = TASK_RUNNING;
    task->started_ns = now_ns();
    uint64_t body = htobe64(task->started_ns);
    broadcast(FRAME_STARTED, &body, sizeof body);
    release_program_pages();
}

static void drain(int *fd, int stream, int terminal) {
    while (*fd >= 0 && pump(*fd, stream, terminal) > 0) {
    }
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/*
 * The first process was reaped. With a pid namespace of its own everything else is dead by now, so what the pipes
 * hold is all there is. The record is on disk before anybody hears of the end.
 */
static void end_task(int status) {
    take_sync();
    task->ended_ns = now_ns();
    task->signal = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0;
    task->exit_code = task->signal ? 128 + task->signal : (uint32_t)WEXITSTATUS(status);
    task->oom = cgroup_oom_kills(task->oom_watch) > task->oom_kills_before;
    cgroup_kill_all();
    drain(&task->master, LOG_STDOUT, 1);
    drain(&task->output[0], LOG_STDOUT, 0);
    drain(&task->output[1], LOG_STDERR, 0);
    close_stdin();
    logfile_finish();
    task->phase = TASK_ENDED;
    int record = exit_record_write(task);
    struct {
        uint32_t code, signal, oom;
        uint64_t started, ended;
    } __attribute__((packed)) body = {htobe32(task->exit_code), htobe32(task->signal), htobe32(task->oom),
                                      htobe64(task->started_ns), htobe64(task->ended_ns)};
    broadcast(FRAME_ENDED, &body, sizeof body);
    cgroup_remove_all();
    exit_record_sync(task, record);
}

static void reap(int signals) {
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
    }
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == task->pid) end_task(status);
}

/* What one entry of the poll set stands for. */
struct source {
    enum { LISTENER, SIGNALS, SYNC, MASTER, STDOUT, STDERR, STDIN, CONNECTION } kind;
    struct connection *connection;
};

static nfds_t add(struct pollfd *set, struct source *sources, nfds_t count, int fd, short events, struct source source) {
    if (fd < 0) return count;
    set[count] = (struct pollfd){.fd = fd, .events = events};
    sources[count] = source;
    return count + 1;
}

static nfds_t fill(struct pollfd *set, struct source *sources, int signals) {
    nfds_t count = 0;
    short readable = is_held_back() ? 0 : POLLIN;
    count = add(set, sources, count, signals, POLLIN, (struct source){.kind = SIGNALS});
    count = add(set, sources, count, task->listener, POLLIN, (struct source){.kind = LISTENER});
    count = add(set, sources, count, task->sync, POLLIN, (struct source){.kind = SYNC});
    if (readable) {
        count = add(set, sources, count, task->master, POLLIN, (struct source){.kind = MASTER});
        count = add(set, sources, count, task->output[0], POLLIN, (struct source){.kind = STDOUT});
        count = add(set, sources, count, task->output[1], POLLIN, (struct source){.kind = STDERR});
    }
    if (input_size > 0) count = add(set, sources, count, stdin_fd(), POLLOUT, (struct source){.kind = STDIN});
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
        struct connection *connection = &connections[i];
        if (connection->fd < 0) continue;
        short events = connection->pending_size > 0 ? POLLOUT : 0;
        /* While stdin is full nobody's input is taken; after its end an attachment is only watched for hang-up. */
        if (!connection->attached || (!connection->input_ended && input_size == 0)) events |= POLLIN;
        count = add(set, sources, count, connection->fd, events, (struct source){CONNECTION, connection});
    }
    return count;
}

static void serve_connection(struct connection *connection, short events) {
    if (events & POLLOUT && give_pending(connection)) drop(connection);
    else if (events & POLLIN) connection->attached ? take_input(connection) : take_frame(connection);
    else if (events & (POLLHUP | POLLERR)) drop(connection);
}

static void serve(const struct source *source, short events, int signals) {
    switch (source->kind) {
    case LISTENER: accept_connection(); break;
    case SIGNALS: reap(signals); break;
    case SYNC: take_sync(); break;
    case MASTER: pump_source(&task->master, LOG_STDOUT, 1); break;
    case STDOUT: pump_source(&task->output[0], LOG_STDOUT, 0); break;
    case STDERR: pump_source(&task->output[1], LOG_STDERR, 0); break;
    case STDIN: give_input(); break;
    case CONNECTION:
        if (source->connection->fd >= 0) serve_connection(source->connection, events);
        break;
    }
}

/* After the end: close attachments that have had everything, and go when nobody needs an answer any more. */
static int is_finished(void) {
    if (task->phase != TASK_ENDED) return 0;
    int controls = 0, attached = 0;
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
        struct connection *connection = &connections[i];
        if (connection->fd < 0) continue;
        if (!connection->attached) controls++;
        else if (connection->pending_size > 0) attached++;
        else drop(connection);
    }
    return attached == 0 && (forgotten || controls == 0);
}

int supervise(struct task *cared_for, int control) {
    static struct pollfd set[MAX_SOURCES];
    static struct source sources[MAX_SOURCES];
    sigset_t watched;
    task = cared_for;
    start_requested = !(task->plan->flags & PLAN_START_ON_REQUEST);
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigprocmask(SIG_BLOCK, &watched, NULL);
    int signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) return 1;
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) connections[i].fd = -1;
    connections[0].fd = control;
    send_state(control, task);
    /* A child that ended before its signal was watched would never be heard of. */
    reap(signals);
    while (!is_finished()) {
        nfds_t count = fill(set, sources, signals);
        if (poll(set, count, -1) < 0) continue;
        for (nfds_t i = 0; i < count; i++)
            if (set[i].revents) serve(&sources[i], set[i].revents, signals);
    }
    return 0;
}
