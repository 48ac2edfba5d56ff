import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { conflict, internal, notFound } from "../../errors/index.ts";
import { operationName } from "../plan/index.ts";
import type { ExitStatus, PlanFailure } from "../task.ts";
import { errnoName, launchErrorOf } from "./launch-error.ts";
import { encodeFrame, FRAME, type Frame, FrameReader, PROTOCOL_VERSION } from "./protocol.ts";

export interface ShimState {
  readonly shimPid: number;
  readonly pid: number;
  readonly phase: number;
  readonly terminal: boolean;
}

/**
 * A control connection to a shim. Answers come in the order of the questions; what the shim says of itself (state,
 * failure, start, end) is kept, and settles the promises below.
 */
export class ControlConnection {
  /** The shim's first word: the task is created. Rejects with `LaunchError` when it could not be. */
  readonly created: Promise<ShimState>;
  /** The program was executed. Rejects with `LaunchError` when it could not be. */
  readonly started: Promise<bigint>;
  /** The end as the shim told it; undefined when the connection closed before that. */
  readonly ended: Promise<ExitStatus | undefined>;
  readonly closed: Promise<void>;
  readonly warnings: string[] = [];
  /** What the shim said last. */
  state: ShimState | undefined;

  private readonly frames = new FrameReader();
  private readonly stateKnown = Promise.withResolvers<ShimState>();
  private readonly startKnown = Promise.withResolvers<bigint>();
  private readonly endKnown = Promise.withResolvers<ExitStatus | undefined>();
  private readonly closeKnown = Promise.withResolvers<void>();
  private outOfMemoryCount = 0;
  private tellOutOfMemory = () => {};
  private readonly questions: ((errno: number) => void)[] = [];

  /** `onHooks` is called when the launch waits for hooks, with the new process's id; its failure ends the launch. */
  constructor(
    private readonly socket: Socket,
    private readonly onHooks: (pid: number) => Promise<void> = async () => {},
  ) {
    this.created = this.stateKnown.promise;
    this.started = this.startKnown.promise;
    this.ended = this.endKnown.promise;
    this.closed = this.closeKnown.promise;
    // Nobody need be waiting when the shim goes away.
    this.created.catch(() => {});
    this.started.catch(() => {});
    socket.on("data", (chunk: Buffer) => {
      for (const frame of this.frames.push(chunk)) this.take(frame);
    });
    // An error is always followed by "close", which tells all that matters.
    socket.on("error", () => {});
    socket.on("close", () => this.lose());
  }

  static async open(path: string): Promise<ControlConnection> {
    const socket = connect(path);
    await once(socket, "connect");
    const connection = new ControlConnection(socket);
    const version = Buffer.alloc(4);
    version.writeUInt32BE(PROTOCOL_VERSION);
    connection.socket.write(encodeFrame(FRAME.HELLO, version));
    return connection;
  }

  /** Tell a shim that waits for one which folder its task has. */
  assign(folder: string): void {
    this.socket.write(encodeFrame(FRAME.TASK, Buffer.from(folder)));
  }

  start(): void {
    this.socket.write(encodeFrame(FRAME.START));
  }

  forget(): void {
    this.socket.write(encodeFrame(FRAME.FORGET));
  }

  onOutOfMemory(tell: () => void): void {
    this.tellOutOfMemory = tell;
    for (let i = 0; i < this.outOfMemoryCount; i++) tell();
  }

  async signal(number: number): Promise<void> {
    const body = Buffer.alloc(4);
    body.writeUInt32BE(number);
    const errno = await this.ask(FRAME.SIGNAL, body);
    if (errno !== 0 && errnoName(errno) === "ESRCH") throw notFound("process does not exist");
    if (errno !== 0) throw internal(`the signal ${number} could not be sent: ${errnoName(errno)}`);
  }

  async resize(rows: number, columns: number): Promise<void> {
    const body = Buffer.alloc(4);
    body.writeUInt16BE(Math.min(rows, 0xffff), 0);
    body.writeUInt16BE(Math.min(columns, 0xffff), 2);
    const errno = await this.ask(FRAME.RESIZE, body);
    if (errno !== 0 && errnoName(errno) === "ENOTTY")
      throw conflict("there is no terminal to resize: the process has none, or has ended");
    if (errno !== 0) throw internal(`the terminal could not be resized: ${errnoName(errno)}`);
  }

  destroy(): void {
    this.socket.destroy();
  }

  private ask(kind: number, body: Buffer): Promise<number> {
    if (this.socket.destroyed) return Promise.reject(notFound("process does not exist"));
    const { promise, resolve } = Promise.withResolvers<number>();
    this.questions.push(resolve);
    this.socket.write(encodeFrame(kind, body));
    return promise;
  }

  private take({ kind, body }: Frame): void {
    switch (kind) {
      case FRAME.STATE:
        this.state = {
          shimPid: body.readUInt32BE(4),
          pid: body.readUInt32BE(8),
          phase: body.readUInt8(12),
          terminal: body.readUInt8(13) !== 0,
        };
        this.stateKnown.resolve(this.state);
        break;
      case FRAME.FAILED: {
        const error = launchErrorOf(failureOf(body));
        this.stateKnown.reject(error);
        this.startKnown.reject(error);
        break;
      }
      case FRAME.WARNING:
        this.warnings.push(failureOf(body).detail);
        break;
      case FRAME.STARTED:
        // A process that another runtime makes is known only now.
        if (body.length >= 12 && this.state !== undefined)
          this.state = { ...this.state, pid: body.readUInt32BE(8) };
        this.startKnown.resolve(body.readBigUInt64BE(0));
        break;
      case FRAME.ENDED:
        this.endKnown.resolve({
          exitCode: body.readUInt32BE(0),
          signal: body.readUInt32BE(4),
          oomKilled: body.readUInt32BE(8) !== 0,
          startedAtNs: body.readBigUInt64BE(12),
          exitedAtNs: body.readBigUInt64BE(20),
        });
        break;
      case FRAME.OOM:
        this.outOfMemoryCount++;
        this.tellOutOfMemory();
        break;
      case FRAME.HOOKS:
        this.onHooks(body.readUInt32BE(0)).then(
          () => this.socket.write(encodeFrame(FRAME.CONTINUE)),
          (error) => {
            this.stateKnown.reject(error);
            this.socket.write(encodeFrame(FRAME.FORGET));
          },
        );
        break;
      case FRAME.DONE:
        this.questions.shift()?.(body.readUInt32BE(0));
        break;
    }
  }

  private lose(): void {
    const lost = internal("the shim ended before it answered");
    this.stateKnown.reject(lost);
    this.startKnown.reject(lost);
    this.endKnown.resolve(undefined);
    const ESRCH = 3;
    for (const question of this.questions.splice(0)) question(ESRCH);
    this.closeKnown.resolve();
  }
}

function failureOf(body: Buffer): PlanFailure {
  return {
    index: body.readUInt16BE(0),
    op: operationName(body.readUInt16BE(2)) ?? "exec",
    errno: errnoName(body.readUInt32BE(4)),
    detail: body.toString("utf8", 8),
  };
}
