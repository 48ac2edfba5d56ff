import { EngineError, internal } from "../../errors/index.ts";
import { type Bus, connectBus, subscribe } from "./bus.ts";
import type { Value } from "./marshal.ts";
import type { Property } from "./properties.ts";

/** Which manager: that of the machine, or that of one user. */
export interface ManagerAddress {
  /** Socket of its message bus. */
  readonly socket: string;
  /** Who we are to the bus. */
  readonly uid: number;
}

export const SYSTEM_MANAGER: ManagerAddress = { socket: "/run/dbus/system_bus_socket", uid: 0 };

export interface Scope {
  /** "gantry-ID.scope" */
  readonly name: string;
  /** "system.slice" */
  readonly slice: string;
  readonly description: string;
  /** Its first process, which is moved there. The scope ends with its last one. */
  readonly pid: number;
  readonly properties: readonly Property[];
}

/** systemd(1) as the maker of scopes (org.freedesktop.systemd1(5)). */
export interface ServiceManager extends AsyncDisposable {
  /** Its own control group, below which all its units are: "" for the machine's. */
  readonly controlGroup: string;
  /** Make a scope whose control group is the caller's to fill (Delegate=). Throws internal in systemd's words. */
  startScope(scope: Scope): Promise<void>;
  /** Ends what is left in it. No error when it is gone already. */
  stopScope(name: string): Promise<void>;
  /** Until the machine restarts. No error when the unit is gone. */
  setProperties(name: string, properties: readonly Property[]): Promise<void>;
  isClosed(): boolean;
}

const SYSTEMD = {
  destination: "org.freedesktop.systemd1",
  path: "/org/freedesktop/systemd1",
} as const;
const MANAGER = "org.freedesktop.systemd1.Manager";
const NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit";
const RULE = `type='signal',sender='org.freedesktop.systemd1',interface='${MANAGER}',member='JobRemoved'`;

/** Rejects with unavailable when the bus does not answer, or when systemd is not on it. */
export async function connectManager(address: ManagerAddress): Promise<ServiceManager> {
  await using stack = new AsyncDisposableStack();
  const bus = stack.use(await connectBus(address.socket, address.uid));
  const ask = (member: string, signature = "", ...body: Value[]) =>
    bus.call({ ...SYSTEMD, interface: MANAGER, member, signature, body });
  await subscribe(bus, RULE);
  // Else the manager sends no signals.
  await ask("Subscribe");
  const controlGroup = await readControlGroup(bus);

  /** Ask for a job and wait for its end. */
  async function untilDone(unit: string, ask: () => Promise<readonly Value[]>): Promise<void> {
    const ended = bus.nextSignal(({ member, body }) => member === "JobRemoved" && body[2] === unit);
    // The request itself may fail first.
    ended.catch(() => {});
    await ask();
    const { body } = await ended;
    const result = String(body[3]);
    if (result !== "done") throw internal(`systemd did not do what was asked for ${unit}: ${result}`);
  }

  const owned = stack.move();
  return {
    controlGroup,
    async startScope({ name, slice, description, pid, properties }) {
      const all: Property[] = [
        ["Description", { signature: "s", value: description }],
        ["Slice", { signature: "s", value: slice }],
        ["PIDs", { signature: "au", value: [pid] }],
        ["Delegate", { signature: "b", value: true }],
        ["DefaultDependencies", { signature: "b", value: false }],
        // One that failed is forgotten as well.
        ["CollectMode", { signature: "s", value: "inactive-or-failed" }],
        ...properties,
      ];
      await untilDone(name, () => ask("StartTransientUnit", "ssa(sv)a(sa(sv))", name, "fail", all, []));
    },
    async stopScope(name) {
      try {
        await untilDone(name, () => ask("StopUnit", "ss", name, "replace"));
      } catch (error) {
        if (!isNoSuchUnit(error)) throw error;
      }
    },
    async setProperties(name, properties) {
      try {
        await ask("SetUnitProperties", "sba(sv)", name, true, properties);
      } catch (error) {
        if (!isNoSuchUnit(error)) throw error;
      }
    },
    isClosed: () => bus.isClosed(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const isNoSuchUnit = (error: unknown): boolean =>
  error instanceof EngineError && error.fields.name === NO_SUCH_UNIT;

async function readControlGroup(bus: Bus): Promise<string> {
  const [answer] = await bus.call({
    ...SYSTEMD,
    interface: "org.freedesktop.DBus.Properties",
    member: "Get",
    signature: "ss",
    body: [MANAGER, "ControlGroup"],
  });
  const group = typeof answer === "object" && "value" in answer ? String(answer.value) : "";
  // The machine's manager calls itself by the scope that its own process is in.
  return group === "/" || group === "/init.scope" ? "" : group;
}
