import { join } from "node:path/posix";
import { EngineError, messageOf, unsupported } from "../errors/index.ts";
import type { Log } from "../log/index.ts";
import {
  type CgroupLayout,
  type CgroupPlacement,
  cgroupfsPlacement,
  type DelegatedGroup,
  delegatedTo,
  findDelegated,
  giveRealtime,
  type LimitSupport,
  leaveDelegated,
  limitSupport,
  prepareCgroupParent,
  type RealtimeBudget,
  readCgroupLayout,
  removeCgroupParent,
} from "../runtime/cgroup/index.ts";
import type { TaskLauncher } from "../runtime/index.ts";
import {
  openScopes,
  ownGroup,
  type Scopes,
  SYSTEM_MANAGER,
  userManager,
  withScopes,
} from "../runtime/systemd/index.ts";

/** The control groups of an engine's containers: where, made by whom, and what they can limit. */
export interface ControlGroups extends AsyncDisposable {
  readonly layout: CgroupLayout;
  readonly placement: CgroupPlacement;
  readonly support: LimitSupport;
  /** Remove what the engine has made for itself, when no container is left. */
  teardown(): void;
  /** The launcher, which makes what a task's group needs first. */
  launching(inner: TaskLauncher): TaskLauncher;
}

interface Options {
  /** Of the engine: names its group, and begins its units' names. */
  readonly name: string;
  /** Present for the engine of an ordinary user. */
  readonly rootless?: object;
  readonly cgroupDriver: "cgroupfs" | "systemd" | undefined;
  readonly realtime: RealtimeBudget | undefined;
}

const NO_GROUPS: CgroupLayout = { unified: undefined, unifiedControllers: new Set(), legacy: new Map() };

/** Throws unsupported or unavailable for a driver that was asked for and cannot be had. */
export async function openControlGroups(
  options: Options,
  shimPath: string,
  log: Log,
): Promise<ControlGroups> {
  const { name, realtime } = options;
  if (realtime !== undefined && (options.rootless !== undefined || options.cgroupDriver === "systemd"))
    throw unsupported(
      "--cpu-rt-runtime needs control groups that the engine makes itself, as root: leave --rootless and native.cgroupdriver=systemd away",
    );
  if (options.rootless !== undefined) return openForUser(options, shimPath, log);
  if (options.cgroupDriver === "systemd") return openWithSystemd(options, shimPath);
  return ownGroups(readCgroupLayout(), `/${name}`, realtime);
}

function ownGroups(layout: CgroupLayout, own: string, realtime: RealtimeBudget | undefined): ControlGroups {
  prepareCgroupParent(layout, own);
  if (realtime !== undefined) giveRealtime(layout, own, realtime);
  return {
    layout,
    placement: cgroupfsPlacement(layout, own, { realtime }),
    support: limitSupport(layout, own),
    teardown: () => removeCgroupParent(layout, own),
    launching: (inner) => inner,
    async [Symbol.asyncDispose]() {},
  };
}

async function openWithSystemd({ name }: Options, shimPath: string): Promise<ControlGroups> {
  const layout = readCgroupLayout();
  if (layout.legacy.size > 0)
    throw unsupported(
      "native.cgroupdriver=systemd needs a machine with nothing but version 2 of control groups: this one has controllers in version 1",
    );
  const scopes = await openScopes({ address: SYSTEM_MANAGER, slice: "system.slice", prefix: name, shimPath });
  return scopesAsGroups(scopes, layout);
}

/** The limits that a scope can have are seen in one. */
async function scopesAsGroups(scopes: Scopes, layout: CgroupLayout): Promise<ControlGroups> {
  await using undo = new AsyncDisposableStack();
  undo.use(scopes);
  const id = `probe-${process.pid}`;
  const scope = scopes.scopeOf(id, "");
  await using _held = await scopes.start(scope, {});
  const support = limitSupport(layout, scopes.pathOf(id, ""));
  const owned = undo.move();
  return {
    layout,
    placement: scopes,
    support,
    teardown() {},
    launching: (inner) => withScopes(inner, scopes),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Below a group that was given to this user. */
function delegatedGroups(whole: CgroupLayout, group: DelegatedGroup, name: string): ControlGroups {
  const own = join(group.path, name);
  const layout = { ...whole, legacy: new Map(), unifiedControllers: group.controllers };
  prepareCgroupParent(layout, own);
  return {
    layout,
    placement: cgroupfsPlacement(layout, own, { root: group.path }),
    support: limitSupport(layout, own),
    teardown() {
      removeCgroupParent(layout, own);
      leaveDelegated(layout, group, name);
    },
    launching: (inner) => inner,
    async [Symbol.asyncDispose]() {},
  };
}

/**
 * An ordinary user has the groups that his own systemd gives him, if there is one and this process is among its own, or those below
 * a group that he was given.
 */
async function openForUser(
  { name, cgroupDriver }: Options,
  shimPath: string,
  log: Log,
): Promise<ControlGroups> {
  const none = (why: string): ControlGroups => {
    if (cgroupDriver === "systemd") throw unsupported(`native.cgroupdriver=systemd: ${why}`);
    log.warn(
      `rootless: ${why}; containers have no control groups: limits of memory, processors and the like are discarded, and pause is refused`,
    );
    return {
      layout: NO_GROUPS,
      placement: cgroupfsPlacement(NO_GROUPS, `/${name}`),
      support: limitSupport(NO_GROUPS, `/${name}`),
      teardown() {},
      launching: (inner) => inner,
      async [Symbol.asyncDispose]() {},
    };
  };
  // Device programs are root's to load; the device nodes are the host's own, with the host's rights.
  const layout: CgroupLayout = { ...readCgroupLayout(), filtersDevices: false };
  const delegated = delegatedTo(layout, ownGroup(), name);
  if (delegated !== undefined && cgroupDriver !== "systemd") return delegatedGroups(layout, delegated, name);
  const address = cgroupDriver === "cgroupfs" || layout.legacy.size > 0 ? undefined : userManager();
  if (address === undefined) {
    const found = findDelegated(layout, ownGroup());
    const busless =
      cgroupDriver === "cgroupfs" || layout.legacy.size > 0
        ? ""
        : ", and no systemd of his has a message bus";
    return none(
      "why" in found ? `this user ${found.why}${busless}` : `the daemon was not started in ${found.path}`,
    );
  }
  try {
    const scopes = await openScopes({ address, slice: "user.slice", prefix: name, shimPath });
    if (scopes.holds(ownGroup())) return await scopesAsGroups(scopes, layout);
    await scopes[Symbol.asyncDispose]();
    return none("this daemon runs outside of the control group that the user's systemd has");
  } catch (error) {
    if (error instanceof EngineError) return none(messageOf(error));
    throw error;
  }
}
