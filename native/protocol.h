/*
 * What passes over a shim's unix socket. A connection begins as a control connection: frames in both directions, each
 * with an 8-byte head (kind, three zero bytes, big-endian length of the body). All numbers in bodies are big-endian.
 *
 * FRAME_SUBSCRIBE turns the connection into an attachment: after FRAME_SUBSCRIBED the shim sends output only, raw
 * with a terminal, else in frames of the Docker API (kind 1 stdout, 2 stderr, the same head), and takes every byte it
 * gets as stdin, up to end of file. The daemon can so hand such a connection to a client without looking into it.
 * The same table in TypeScript is src/runtime/task/protocol.ts; a test compares them.
 */
#ifndef GANTRY_PROTOCOL_H
#define GANTRY_PROTOCOL_H

#define PROTOCOL_VERSION 1
#define FRAME_HEAD_BYTES 8
#define FRAME_MAX_BODY 64

enum frame_kind {
    /* to the shim */
    FRAME_HELLO = 0x10,     /* version u32: who are you? */
    FRAME_START = 0x11,     /* run on to execve */
    FRAME_SIGNAL = 0x12,    /* number u32 */
    FRAME_RESIZE = 0x13,    /* rows u16, columns u16 */
    FRAME_SUBSCRIBE = 0x14, /* mask u8: 1 stdout, 2 stderr, 4 stdin */
    FRAME_FORGET = 0x15,    /* kill what still runs, and end */
    FRAME_CONTINUE = 0x16,  /* answer to FRAME_HOOKS: they have run */
    FRAME_TASK = 0x17,      /* the folder of its task, to a shim that waits for one (standby.h) */
    /* from the shim */
    FRAME_STATE = 0x20,      /* version u32, shim pid u32, pid u32, phase u8, terminal u8: answer to HELLO, and at creation */
    FRAME_FAILED = 0x21,     /* operation index u16, opcode u16, errno u32, detail text */
    FRAME_WARNING = 0x22,    /* the same */
    FRAME_STARTED = 0x23,    /* time u64, nanoseconds since the epoch; pid u32 */
    FRAME_ENDED = 0x24,      /* exit code u32, signal u32, oom u32, started u64, ended u64 */
    FRAME_DONE = 0x25,       /* errno u32: answer to SIGNAL and RESIZE, in order */
    FRAME_SUBSCRIBED = 0x26, /* no body */
    FRAME_HOOKS = 0x27,      /* pid u32: namespaces and mounts are made; the launch waits while hooks run */
    FRAME_OOM = 0x28,        /* no body: the kernel has found no memory for it below its limit */
};

enum task_phase { TASK_CREATED = 0, TASK_RUNNING = 1, TASK_ENDED = 2 };

#endif
