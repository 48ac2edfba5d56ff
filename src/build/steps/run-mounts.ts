import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join, posix } from "node:path";
import { invalid, notFound } from "../../errors/index.ts";
import type { SpecMount } from "../../runtime/spec/index.ts";
import { copyIntoTree, type LayerDraft } from "../../snapshot/index.ts";
import { parseBytes } from "../../units/index.ts";
import type { Sharing } from "../cache/mounts.ts";
import type { BuildContext } from "../dependencies.ts";
import type { RunMount, RunVertex } from "../plan/vertex.ts";
import type { OfferedSecrets } from "../service.ts";
import { forwardAgent } from "./agent.ts";
import { placeSource, selectSource } from "./select.ts";
import { byteName, type SourceTree } from "./source-tree.ts";

/** The mounts of a RUN, made ready; what they need goes with the disposal. */
export interface OpenMounts extends AsyncDisposable {
  readonly mounts: readonly SpecMount[];
  /** Variables that they bring: secrets, the agent's socket. */
  readonly env: readonly string[];
  /** Where they are put, for stubs. */
  readonly targets: readonly string[];
}

interface Opening {
  readonly context: BuildContext;
  readonly treeOf: (mount: RunMount) => SourceTree | undefined;
  readonly secrets: OfferedSecrets;
  /** The step's own folder, not on a disk where the machine has such a one. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly undo: AsyncDisposableStack;
}

/** Throws invalid for values that mean nothing, not-found for a secret that is required and was not given. */
export async function openMounts(vertex: RunVertex, opening: Omit<Opening, "undo">): Promise<OpenMounts> {
  await using undo = new AsyncDisposableStack();
  mkdirSync(opening.folder, { recursive: true, mode: 0o700 });
  undo.defer(() => rm(opening.folder, { recursive: true, force: true }));
  const mounts: SpecMount[] = [];
  const env: string[] = [];
  for (const [at, mount] of vertex.mounts.entries()) {
    const opened = await OPENERS[mount.type](mount, { ...opening, undo }, at);
    mounts.push(...opened.mounts);
    env.push(...opened.env);
  }
  for (const { name, content } of vertex.scripts) {
    const file = join(opening.folder, `script-${name}`);
    writeFileSync(file, content);
    chmodSync(file, 0o755);
    mounts.push(bind(file, `/dev/pipes/${name}`, true));
  }
  const owned = undo.move();
  return {
    mounts,
    env,
    targets: mounts.map(({ destination }) => destination),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Opened = Pick<OpenMounts, "mounts" | "env">;

const OPENERS: Readonly<
  Record<RunMount["type"], (mount: RunMount, opening: Opening, at: number) => Promise<Opened>>
> = {
  bind: openBind,
  cache: openCache,
  tmpfs: async ({ target, size, readonly }) => ({
    mounts: [
      {
        destination: target,
        type: "tmpfs",
        source: "tmpfs",
        options: [
          ...["nosuid", "nodev", "mode=1777", ...(readonly ? ["ro"] : [])],
          ...(size === "" ? [] : [`size=${parseBytes(size)}`]),
        ],
      },
    ],
    env: [],
  }),
  secret: openSecret,
  ssh: openAgent,
};

const bind = (source: string, destination: string, readonly: boolean): SpecMount => ({
  destination,
  type: "bind",
  source,
  options: ["rbind", "rprivate", readonly ? "ro" : "rw"],
});

const NOTHING: Opened = { mounts: [], env: [] };

async function openBind(mount: RunMount, opening: Opening): Promise<Opened> {
  const tree = opening.treeOf(mount);
  if (tree === undefined) throw invalid(`the mount ${mount.target} has no source`);
  const { lower } = tree.mount;
  const entry = await tree.stat(byteName(mount.source), opening.signal);
  if (entry === undefined)
    throw notFound(`failed to mount ${mount.source || "/"}: ${mount.source}: not found`);
  const [only = ""] = lower;
  if (lower.length === 1 && (mount.readonly || entry.type !== "directory")) {
    const place = join(only, Buffer.from(entry.path, "latin1").toString("utf8"));
    // A file that may be written is the step's own copy, for the writes are thrown away.
    return {
      mounts: [mount.readonly ? bind(place, mount.target, true) : await ownCopy(tree, mount, opening)],
      env: [],
    };
  }
  if (entry.path !== "" && lower.length > 1)
    return { mounts: [await ownCopy(tree, mount, opening)], env: [] };
  const below = lower.map((folder) => join(folder, Buffer.from(entry.path, "latin1").toString("utf8")));
  return { mounts: [await overlay(below, mount, opening)], env: [] };
}

/** Several layers, or one whose changes are thrown away, under one target. */
async function overlay(lower: readonly string[], mount: RunMount, opening: Opening): Promise<SpecMount> {
  const draft = mount.readonly ? undefined : await temporaryLayer(opening);
  const folders = lower.map((folder) => `lowerdir+=${folder}`);
  const upper = draft === undefined ? ["ro"] : [`upperdir=${draft.folder}`, `workdir=${draft.work}`];
  return { destination: mount.target, type: "overlay", source: "overlay", options: [...folders, ...upper] };
}

async function temporaryLayer({ context, undo }: Opening): Promise<LayerDraft> {
  const draft = await context.snapshotter.prepareLayer(undefined, { writable: true });
  undo.defer(() => context.snapshotter.discard(draft));
  return draft;
}

/** A part of several layers has no one folder: it is copied. */
async function ownCopy(tree: SourceTree, mount: RunMount, opening: Opening): Promise<SpecMount> {
  const folder = await mkdtemp(join(opening.context.folder, "tmp-"));
  opening.undo.defer(() => rm(folder, { recursive: true, force: true }));
  const [selected] = await selectSource(tree, mount.source, opening.signal);
  const place = {
    destination: "/it",
    owner: undefined,
    chmod: (mode: number) => mode,
    exclude: [],
    parents: false,
  };
  const changes = selected === undefined ? [] : placeSource(selected, "", place);
  await copyIntoTree(
    opening.context.shim,
    { source: tree.mount, tree: { lower: [], upper: folder }, changes },
    opening.signal,
  );
  return bind(join(folder, "it"), mount.target, mount.readonly);
}

const octal = (text: string, fallback: number): number => {
  if (text === "") return fallback;
  if (!/^[0-7]{1,5}$/.test(text)) throw invalid(`invalid mode ${text}: want an octal number`);
  return Number.parseInt(text, 8);
};

const id = (text: string): number => {
  if (text === "") return 0;
  if (!/^\d{1,10}$/.test(text)) throw invalid(`invalid uid or gid ${text}: want a number`);
  return Number(text);
};

async function openCache(mount: RunMount, opening: Opening): Promise<Opened> {
  const owner = { mode: octal(mount.mode, 0o755), uid: id(mount.uid), gid: id(mount.gid) };
  const sharing: Sharing =
    mount.sharing === "private" || mount.sharing === "locked" ? mount.sharing : "shared";
  const open = opening.undo.use(
    await opening.context.cacheMounts.open(mount.id || mount.target, sharing, owner),
  );
  const tree = opening.treeOf(mount);
  if (open.isNew && tree !== undefined) {
    const changes = (await selectSource(tree, mount.source, opening.signal)).flatMap((selected) =>
      placeSource(selected, "", {
        destination: "/",
        owner: undefined,
        chmod: (mode) => mode,
        exclude: [],
        parents: false,
      }),
    );
    await copyIntoTree(
      opening.context.shim,
      { source: tree.mount, tree: { lower: [], upper: open.folder }, changes },
      opening.signal,
    );
  }
  return { mounts: [bind(open.folder, mount.target, mount.readonly)], env: [] };
}

async function openSecret(mount: RunMount, { secrets, folder }: Opening, at: number): Promise<Opened> {
  const name = mount.id || posix.basename(mount.target);
  const value = secrets.values.get(name);
  if (value === undefined) {
    if (mount.required) throw notFound(`secret ${name}: not found`);
    return NOTHING;
  }
  const env = mount.env === "" ? [] : [`${mount.env}=${value.toString("utf8")}`];
  if (mount.env !== "" && mount.target === "") return { mounts: [], env };
  const file = join(folder, `secret-${at}`);
  writeFileSync(file, value, { mode: 0o400 });
  chmodSync(file, octal(mount.mode, 0o400));
  chownSync(file, id(mount.uid), id(mount.gid));
  return { mounts: [bind(file, mount.target || `/run/secrets/${name}`, true)], env };
}

async function openAgent(mount: RunMount, { secrets, folder, undo }: Opening, at: number): Promise<Opened> {
  const name = mount.id || "default";
  const agent = secrets.agents.get(name);
  if (agent === undefined) {
    if (mount.required) throw notFound(`no SSH key ${JSON.stringify(name)} forwarded from the client`);
    return NOTHING;
  }
  const path = join(folder, `agent-${at}`);
  undo.use(
    await forwardAgent(agent, path, {
      mode: octal(mount.mode, 0o600),
      uid: id(mount.uid),
      gid: id(mount.gid),
    }),
  );
  const target = mount.target || `/run/buildkit/ssh_agent.${at}`;
  return { mounts: [bind(path, target, true)], env: [`SSH_AUTH_SOCK=${target}`] };
}
