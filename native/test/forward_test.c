#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../forward.h"
#include "../forward_bind.h"
#include "check.h"

static pid_t forwarder, binder;
static int control;

static void end_both(void) {
    kill(forwarder, SIGKILL);
    kill(binder, SIGKILL);
    CHECK_NUMBER(waitpid(forwarder, NULL, 0), forwarder);
    CHECK_NUMBER(waitpid(binder, NULL, 0), binder);
}

static int connect_control(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "ports.sock"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_NUMBER(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* The two processes, and this one as their daemon. */
static void begin(void) {
    int pair[2], listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "ports.sock"};
    CHECK_NUMBER(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_NUMBER(listen(listener, 4), 0);
    CHECK_NUMBER(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    binder = fork();
    if (binder == 0) {
        close(pair[1]);
        while (forward_bind_answer(pair[0]) == 0) continue;
        _exit(0);
    }
    forwarder = fork();
    if (forwarder == 0) {
        close(pair[0]);
        forward_ports(listener, pair[1]);
        _exit(1);
    }
    close(pair[0]);
    close(pair[1]);
    close(listener);
    control = connect_control();
}

static int ask(const char *question) {
    char answer[16] = "";
    size_t size = 0;
    CHECK_NUMBER(send(control, question, strlen(question), 0), strlen(question));
    CHECK_NUMBER(send(control, "\n", 1, 0), 1);
    while (!strchr(answer, '\n')) {
        ssize_t got = recv(control, answer + size, sizeof answer - 1 - size, 0);
        CHECK(got > 0);
        size += (size_t)got;
    }
    return atoi(answer);
}

/* What the daemon asks for with a target on loopback. */
static int open_port(const char *protocol, const char *address, int port, int target) {
    char question[128];
    snprintf(question, sizeof question, "open %s %s %d %s %d", protocol, address, port, strchr(address, ':') ? "::1" : "127.0.0.1", target);
    return ask(question);
}

/* A server's socket of loopback, as the container's. */
static int container_socket(int family, int type, int *port) {
    struct endpoint endpoint;
    CHECK_NUMBER(endpoint_parse(&endpoint, family == AF_INET ? "127.0.0.1" : "::1", "0"), 0);
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (bind(fd, &endpoint.address.any, endpoint.size)) test_skip("no loopback address of this family");
    if (type == SOCK_STREAM) CHECK_NUMBER(listen(fd, 64), 0);
    CHECK_NUMBER(endpoint_of_socket(&endpoint, fd), 0);
    *port = endpoint_port(&endpoint);
    return fd;
}

static int client_socket(int type, const char *address, int port) {
    struct endpoint endpoint;
    char number[16];
    snprintf(number, sizeof number, "%d", port);
    CHECK_NUMBER(endpoint_parse(&endpoint, address, number), 0);
    int fd = socket(endpoint.address.any.sa_family, type | SOCK_CLOEXEC, 0);
    if (connect(fd, &endpoint.address.any, endpoint.size) == 0) return fd;
    close(fd);
    return -1;
}

static int descriptors(void) {
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", forwarder);
    DIR *folder = opendir(path);
    CHECK(folder != NULL);
    while (readdir(folder)) count++;
    closedir(folder);
    return count;
}

static void expect(int fd, const char *text) {
    char got[64] = "";
    CHECK(strlen(text) < sizeof got);
    CHECK_NUMBER(recv(fd, got, strlen(text), MSG_WAITALL), strlen(text));
    CHECK_TEXT(got, text);
}

static void half_closed(int family, const char *address) {
    int target, server = container_socket(family, SOCK_STREAM, &target);
    int port = open_port("tcp", address, 0, target);
    CHECK(port > 0);
    int client = client_socket(SOCK_STREAM, family == AF_INET ? "127.0.0.1" : "::1", port), container = accept(server, NULL, NULL);
    CHECK_NUMBER(send(client, "question", 8, 0), 8);
    expect(container, "question");
    CHECK_NUMBER(shutdown(client, SHUT_WR), 0);
    CHECK_NUMBER(recv(container, &target, 1, 0), 0);
    CHECK_NUMBER(send(container, "answer", 6, 0), 6);
    expect(client, "answer");
    close(container);
    CHECK_NUMBER(recv(client, &target, 1, 0), 0);
    close(client);
    close(server);
}

TEST(forward_streams_that_are_closed_half) {
    begin();
    half_closed(AF_INET, "0.0.0.0");
    half_closed(AF_INET6, "::");
    end_both();
}

/* A receiver that takes nothing holds its sender back, and nothing is lost; then its reset is the sender's. */
TEST(forward_streams_with_a_slow_receiver) {
    enum { CHUNK = 1 << 16 };
    static char chunk[CHUNK], got[CHUNK];
    begin();
    int target, server = container_socket(AF_INET, SOCK_STREAM, &target), port = open_port("tcp", "127.0.0.1", 0, target);
    int client = client_socket(SOCK_STREAM, "127.0.0.1", port), container = accept(server, NULL, NULL);
    size_t sent = 0, received = 0;
    struct pollfd room = {.fd = client, .events = POLLOUT};
    for (;;) {
        for (size_t i = 0; i < CHUNK; i++) chunk[i] = (char)((sent + i) % 251);
        ssize_t put = send(client, chunk, CHUNK, MSG_DONTWAIT);
        if (put > 0) sent += (size_t)put;
        /* Held back: no room for a while in which all would have been carried. */
        else if (poll(&room, 1, 300) == 0) break;
        CHECK(sent < 1u << 28);
    }
    CHECK_NUMBER(shutdown(client, SHUT_WR), 0);
    for (ssize_t size; (size = recv(container, got, CHUNK, 0)) > 0; received += (size_t)size)
        for (ssize_t i = 0; i < size; i++) CHECK_NUMBER((unsigned char)got[i], (received + (size_t)i) % 251);
    CHECK_NUMBER(received, sent);
    struct linger at_once = {.l_onoff = 1};
    CHECK_NUMBER(setsockopt(container, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(container);
    CHECK_NUMBER(recv(client, got, 1, 0), -1);
    CHECK_NUMBER(errno, ECONNRESET);
    end_both();
}

/* A container that ends takes its port along, but not what a slow client has yet to hear of it. */
TEST(forward_last_words_outlive_their_port) {
    enum { SIZE = 1 << 19 };
    static char words[SIZE];
    begin();
    int target, server = container_socket(AF_INET, SOCK_STREAM, &target), port = open_port("tcp", "127.0.0.1", 0, target), small = 4096;
    char question[64];
    struct endpoint endpoint;
    snprintf(question, sizeof question, "%d", port);
    CHECK_NUMBER(endpoint_parse(&endpoint, "127.0.0.1", question), 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_NUMBER(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    CHECK_NUMBER(connect(client, &endpoint.address.any, endpoint.size), 0);
    int container = accept(server, NULL, NULL);
    CHECK_NUMBER(send(container, words, sizeof words, 0), sizeof words);
    close(container);
    /* When another connection has been carried, the end of this one has been read. */
    int other = client_socket(SOCK_STREAM, "127.0.0.1", port), answering = accept(server, NULL, NULL);
    CHECK_NUMBER(send(answering, "after", 5, 0), 5);
    expect(other, "after");
    snprintf(question, sizeof question, "close tcp 127.0.0.1 %d", port);
    CHECK_NUMBER(ask(question), 0);
    CHECK_NUMBER(recv(other, question, 1, 0), -1);
    size_t received = 0;
    for (ssize_t size; (size = recv(client, words, sizeof words, 0)) > 0;) received += (size_t)size;
    CHECK_NUMBER(received, sizeof words);
    end_both();
}

TEST(forward_ports_leave_no_descriptors) {
    begin();
    char question[64];
    int target, server = container_socket(AF_INET, SOCK_STREAM, &target), before, clients[64], containers[64];
    CHECK_NUMBER(ask("begin"), 0);
    before = descriptors();
    int port = open_port("tcp", "127.0.0.1", 0, target);
    for (int i = 0; i < 64; i++) {
        clients[i] = client_socket(SOCK_STREAM, "127.0.0.1", port);
        containers[i] = accept(server, NULL, NULL);
    }
    for (int i = 0; i < 32; i++) CHECK_NUMBER(send(clients[i], "x", 1, 0), 1);
    for (int i = 0; i < 32; i++) expect(containers[i], "x");
    /* Two for each, the port's, and the one pipe that was needed. */
    CHECK_NUMBER(descriptors(), before + 1 + 2 * 64 + 2);
    for (int i = 0; i < 32; i++) {
        close(clients[i]);
        CHECK_NUMBER(recv(containers[i], question, 1, 0), 0);
        close(containers[i]);
    }
    snprintf(question, sizeof question, "close tcp 127.0.0.1 %d", port);
    CHECK_NUMBER(ask(question), 0);
    CHECK_NUMBER(recv(clients[63], question, 1, 0), -1);
    CHECK_NUMBER(errno, ECONNRESET);
    CHECK_NUMBER(client_socket(SOCK_STREAM, "127.0.0.1", port), -1);
    CHECK_NUMBER(descriptors(), before + 2);
    CHECK_NUMBER(ask(question), -ENOENT);
    end_both();
}

TEST(forward_datagrams_and_their_answers) {
    begin();
    int target, container = container_socket(AF_INET, SOCK_DGRAM, &target), port = open_port("udp", "0.0.0.0", 0, target);
    /* Answered from where it was asked, or a connected socket does not hear it. */
    int clients[] = {client_socket(SOCK_DGRAM, "127.0.0.1", port), client_socket(SOCK_DGRAM, "127.0.0.2", port)};
    struct endpoint flows[2];
    for (int i = 0; i < 2; i++) {
        char text[16] = "";
        flows[i].size = sizeof flows[i].address;
        CHECK_NUMBER(send(clients[i], i ? "one" : "nil", 3, 0), 3);
        CHECK_NUMBER(recvfrom(container, text, sizeof text, 0, &flows[i].address.any, &flows[i].size), 3);
        CHECK_TEXT(text, i ? "one" : "nil");
    }
    for (int i = 0; i < 2; i++) CHECK_NUMBER(sendto(container, i ? "ONE" : "NIL", 3, 0, &flows[i].address.any, flows[i].size), 3);
    expect(clients[0], "NIL");
    expect(clients[1], "ONE");
    CHECK_NUMBER(send(clients[0], "", 0, 0), 0);
    CHECK_NUMBER(recv(container, &port, sizeof port, 0), 0);
    end_both();
}

TEST(forward_ports_of_others_and_of_a_former_daemon) {
    begin();
    int target, server = container_socket(AF_INET, SOCK_STREAM, &target), busy, own;
    int taken = container_socket(AF_INET, SOCK_STREAM, &busy);
    CHECK_NUMBER(open_port("tcp", "127.0.0.1", busy, target), -EADDRINUSE);
    CHECK_NUMBER(open_port("tcp", "192.0.2.1", 0, target), -EADDRNOTAVAIL);
    own = open_port("tcp", "127.0.0.1", 0, target);
    int left = open_port("tcp", "127.0.0.1", 0, target);
    close(control);
    control = connect_control();
    CHECK_NUMBER(ask("begin"), 0);
    /* Another target now. */
    CHECK_NUMBER(open_port("tcp", "127.0.0.1", own, busy), own);
    CHECK_NUMBER(ask("end"), 0);
    CHECK_NUMBER(client_socket(SOCK_STREAM, "127.0.0.1", left), -1);
    int client = client_socket(SOCK_STREAM, "127.0.0.1", own), container = accept(taken, NULL, NULL);
    CHECK_NUMBER(send(container, "new", 3, 0), 3);
    expect(client, "new");
    char question[64];
    snprintf(question, sizeof question, "open tcp 127.0.0.1 %d - 0", own);
    CHECK_NUMBER(ask(question), own);
    client = client_socket(SOCK_STREAM, "127.0.0.1", own);
    CHECK_NUMBER(recv(client, question, 1, 0), -1);
    close(server);
    end_both();
}

TEST(forward_answers_what_it_does_not_understand) {
    static const char *const wrong[] = {"", "begin now", "open", "open tcp 127.0.0.1", "open tcp 127.0.0.1 65536 127.0.0.1 1", "shut tcp 127.0.0.1 1",
                                        "open sctp 127.0.0.1 0 127.0.0.1 1", "open tcp localhost 0 127.0.0.1 1", "open tcp 127.0.0.1 0 127.0.0.1 1 2"};
    char longer[400];
    begin();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) CHECK_NUMBER(ask(wrong[i]), -EINVAL);
    memset(longer, 'x', sizeof longer);
    CHECK_NUMBER(send(control, longer, sizeof longer, 0), sizeof longer);
    CHECK(recv(control, longer, 1, 0) <= 0);
    control = connect_control();
    CHECK_NUMBER(ask("end"), 0);
    end_both();
}
