/*
 * The second life of a shim: one poll(2) loop that has stdio moved, answers control connections, reaps, and records the
 * end. A slow attachment holds the output back, as Docker does.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "adoption.h"
#include "cgroups.h"
#include "connection.h"
#include "container.h"
#include "exit_record.h"
#include "logfile.h"
#include "oom_watch.h"
#include "program_pages.h"
#include "stdio_relay.h"
#include "task.h"

#define MAX_SOURCES (MAX_CONNECTIONS + 8)
/* After so long without an event a shim counts as waiting. */
#define SETTLE_MS 200

static struct task *task;
static int forgotten;
static int start_requested;
/* Of the exit record, while the disk does not have it; else -1. */
static int unsynced_record = -1;
/* The command of another runtime that is to make the process, while it has not ended; else NULL. */
static const struct operation *runtime;
/* The process waits for its runtime's word, which whoever asks for the start gives next. */
static int is_adopted;

/* Somebody has asked for the process to be killed. */
static int kill_requested;

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
    kill_requested |= number == SIGKILL;
    return syscall(SYS_pidfd_send_signal, task->pidfd, (int)number, NULL, 0) ? errno : 0;
}

static int resize(const struct connection *connection) {
    uint16_t numbers[2];
    memcpy(numbers, connection->frame + FRAME_HEAD_BYTES, sizeof numbers);
    struct winsize size = {.ws_row = be16toh(numbers[0]), .ws_col = be16toh(numbers[1])};
    if (task->master < 0) return ENOTTY;
    return ioctl(task->master, TIOCSWINSZ, &size) ? errno : 0;
}

static void begin(void) {
    task->phase = TASK_RUNNING;
    task->started_ns = now_ns();
    struct {
        uint64_t started;
        uint32_t pid;
    } __attribute__((packed)) body = {htobe64(task->started_ns), htobe32((uint32_t)task->pid)};
    connections_broadcast(FRAME_STARTED, &body, sizeof body);
    oom_watch_arm();
    release_program_pages();
}

static void start_task(void) {
    struct sync_message message = {.kind = SYNC_START};
    if (is_adopted && task->phase == TASK_CREATED) begin();
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
        if (task->phase == TASK_ENDED) connection_drop(connection);
        break;
    case FRAME_FORGET: forget(); break;
    default: connection_drop(connection); break;
    }
}

static void take_frame(struct connection *connection) {
    int size = connection_read_frame(connection);
    if (size >= 0) answer(connection, (uint32_t)size);
}

static void accept_connection(void) {
    int fd = accept4(task->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) connection_add(fd);
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
    /* Begun is only the command that makes the process. */
    if (size == 0 && runtime) return;
    if (size == (ssize_t)sizeof message && message.kind == SYNC_FAILED) {
        for (size_t i = 0; i < MAX_CONNECTIONS; i++)
            if (connections[i].fd >= 0 && !connections[i].attached) send_failure(connections[i].fd, FRAME_FAILED, &message.failure);
        return;
    }
    begin();
}

/*
 * The first process was reaped. With a pid namespace of its own everything else is dead by now, so what the pipes
 * hold is all there is. The record is written before anybody hears of the end, and synced when the shim goes: nobody who
 * waits for the end waits for the disk.
 */
static void end_task(int status) {
    take_sync();
    task->ended_ns = now_ns();
    task->signal = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0;
    task->exit_code = task->signal ? 128 + task->signal : (uint32_t)WEXITSTATUS(status);
    task->oom = (uint32_t)oom_watch_end(task->signal == SIGKILL && !kill_requested);
    cgroup_kill_all();
    stdio_finish();
    task->phase = TASK_ENDED;
    unsynced_record = exit_record_write(task);
    struct {
        uint32_t code, signal, oom;
        uint64_t started, ended;
    } __attribute__((packed)) body = {htobe32(task->exit_code), htobe32(task->signal), htobe32(task->oom),
                                      htobe64(task->started_ns), htobe64(task->ended_ns)};
    connections_broadcast(FRAME_ENDED, &body, sizeof body);
    cgroup_remove_all();
}

/* Its process is the task's now; or there is none, and that is the end. */
static void end_runtime(int status) {
    const struct operation *op = runtime;
    struct failure failure = {.index = op->index, .code = op->code};
    take_sync();
    runtime = NULL;
    if (adoption_complete(task, op, status, &failure) == 0) {
        begin();
        return;
    }
    if (start_requested)
        for (size_t i = 0; i < MAX_CONNECTIONS; i++)
            if (connections[i].fd >= 0 && !connections[i].attached) send_failure(connections[i].fd, FRAME_FAILED, &failure);
    const int exit_failed = 127 << 8;
    end_task(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? exit_failed : status);
}

static void reap(int signals) {
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
    }
    int status;
    pid_t pid;
    if (runtime) {
        /* Before anybody else, for the process that it left behind may have ended as well. */
        if (waitpid(task->pid, &status, WNOHANG) != task->pid) return;
        end_runtime(status);
    }
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        /* Once only: an orphan that was adopted later may have got the same id. */
        if (pid == task->pid && task->phase != TASK_ENDED) end_task(status);
}

/* What one entry of the poll set stands for. */
struct source {
    enum { LISTENER, SIGNALS, SYNC, OOM, MASTER, STDOUT, STDERR, STDIN, CONNECTION } kind;
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
    short readable = connections_held_back() ? 0 : POLLIN, oom_events;
    int oom_notice = oom_watch_descriptor(&oom_events);
    /* Before the signals, for the reason for an end comes before that end. */
    count = add(set, sources, count, oom_notice, oom_events, (struct source){.kind = OOM});
    count = add(set, sources, count, signals, POLLIN, (struct source){.kind = SIGNALS});
    count = add(set, sources, count, task->listener, POLLIN, (struct source){.kind = LISTENER});
    count = add(set, sources, count, task->sync, POLLIN, (struct source){.kind = SYNC});
    if (readable) {
        count = add(set, sources, count, task->master, POLLIN, (struct source){.kind = MASTER});
        count = add(set, sources, count, task->output[0], POLLIN, (struct source){.kind = STDOUT});
        count = add(set, sources, count, task->output[1], POLLIN, (struct source){.kind = STDERR});
    }
    int input_waits = stdio_input_waits();
    if (input_waits) count = add(set, sources, count, stdio_input(), POLLOUT, (struct source){.kind = STDIN});
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
        struct connection *connection = &connections[i];
        if (connection->fd < 0) continue;
        short events = connection->pending_size > 0 ? POLLOUT : 0;
        /*
         * While stdin is full nobody's input is taken. One who hangs up then has perhaps sent more, so that is not
         * looked at either. After the end of its input an attachment is only watched for hang-up.
         */
        if (!connection->attached || (!connection->input_ended && !input_waits)) events |= POLLIN;
        else if (!connection->input_ended && events == 0) continue;
        count = add(set, sources, count, connection->fd, events, (struct source){CONNECTION, connection});
    }
    return count;
}

static void serve_connection(struct connection *connection, short events) {
    if (events & POLLOUT && connection_give_pending(connection)) connection_drop(connection);
    else if (events & POLLIN && connection->attached) stdio_take_input(connection);
    else if (events & POLLIN) take_frame(connection);
    else if (events & (POLLHUP | POLLERR)) connection_drop(connection);
}

static void serve(const struct source *source, short events, int signals) {
    switch (source->kind) {
    case LISTENER: accept_connection(); break;
    case SIGNALS: reap(signals); break;
    case SYNC: take_sync(); break;
    case OOM:
        if (oom_watch_take()) connections_broadcast(FRAME_OOM, NULL, 0);
        break;
    case MASTER: stdio_pump(&task->master, LOG_STDOUT, 1); break;
    case STDOUT: stdio_pump(&task->output[0], LOG_STDOUT, 0); break;
    case STDERR: stdio_pump(&task->output[1], LOG_STDERR, 0); break;
    case STDIN: stdio_give_input(); break;
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
        else connection_drop(connection);
    }
    return attached == 0 && (forgotten || controls == 0);
}

int supervise(struct task *cared_for, int control) {
    static struct pollfd set[MAX_SOURCES];
    static struct source sources[MAX_SOURCES];
    sigset_t watched;
    task = cared_for;
    for (uint16_t i = 0; i < task->plan->count; i++) {
        const struct operation *op = &task->plan->operations[i];
        if (op->code == OP_ADOPT && op->f[2].u == ADOPT_AT_START) runtime = op;
        if (op->code == OP_ADOPT && op->f[2].u == ADOPT_AT_LAUNCH) is_adopted = 1;
    }
    start_requested = !(task->plan->flags & PLAN_START_ON_REQUEST);
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigprocmask(SIG_BLOCK, &watched, NULL);
    int signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) return 1;
    connections_begin();
    connection_add(control);
    stdio_begin(task);
    send_state(control, task);
    /* A child that ended before its signal was watched would never be heard of. */
    reap(signals);
    int is_settled = 0;
    while (!is_finished()) {
        nfds_t count = fill(set, sources, signals);
        int ready = poll(set, count, is_settled ? -1 : SETTLE_MS);
        /* Once after each time of activity, then there is nothing to wake up for. */
        if (ready == 0) release_program_pages();
        is_settled = ready == 0;
        if (ready <= 0) continue;
        for (nfds_t i = 0; i < count; i++)
            if (set[i].revents) serve(&sources[i], set[i].revents, signals);
        if (connections_lost_input()) stdio_end_input();
    }
    /* An engine that has forgotten the task has written its end down; without one this record is all there is of it. */
    if (!forgotten) exit_record_sync(task, unsynced_record);
    return 0;
}
