import { chmodSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packTree } from "../archive/index.ts";
import * as build from "../build/index.ts";
import * as container from "../container/index.ts";
import { openContentStore } from "../content/index.ts";
import { createEventLog } from "../events/index.ts";
import { createIptablesFirewall, createNftablesFirewall } from "../firewall/index.ts";
import { BUILTIN_NAMES, createImageService, imageMigrations } from "../image/index.ts";
import type { Log } from "../log/index.ts";
import * as network from "../network/index.ts";
import {
  installShim,
  lockDatabaseFile,
  openEmbeddedArchive,
  ownIds,
  randomHex,
  writeFileAtomic,
} from "../platform/index.ts";
import { createFolderQuotas, quotaMigrations } from "../quota/index.ts";
import {
  parseMirrorRule,
  RegistryNetwork,
  type RegistryRules,
  readRegistryRules,
} from "../registry/index.ts";
import { cgroupVersion, type RealtimeBudget } from "../runtime/cgroup/index.ts";
import { BundleStore, createRuntimes, type RuntimesOptions, withRuntimes } from "../runtime/foreign/index.ts";
import { createTaskLauncher, type IdMaps } from "../runtime/index.ts";
import { createSeccompCompiler } from "../runtime/seccomp/index.ts";
import { remapOf } from "../runtime/user-namespace/index.ts";
import { createOverlaySnapshotter, snapshotMigrations } from "../snapshot/index.ts";
import { openStore } from "../store/index.ts";
import * as volume from "../volume/index.ts";
import { openControlGroups } from "./control-groups.ts";
import { describeDiskUsage } from "./disk-usage.ts";
import type { Engine } from "./engine.ts";
import { remappedRoot } from "./remapped-root.ts";
import { describeInfo, describeVersion } from "./system.ts";

/** Where an engine lives. Every path, bridge name, packet table and cgroup parent derives from these. */
export interface EngineOptions {
  /** Images, containers, volumes, database. */
  readonly dataRoot: string;
  /** State that does not outlive the machine's run: task folders, sockets. */
  readonly execRoot: string;
  /** Names the bridge (NAME0), the packet table and the cgroup parent. */
  readonly name: string;
  /** What an administrator writes: registries.json, certs.d/HOST/. */
  readonly configRoot: string;
  /** "PREFIX=MIRROR", or a mirror of Docker's own registry, besides those of registries.json. */
  readonly registryMirrors: readonly string[];
  readonly insecureRegistries: readonly string[];
  readonly networks: network.NetworkSettings;
  readonly firewallBackend: "nftables" | "iptables";
  /** Of an ordinary user's engine, which is in namespaces of its own. */
  readonly rootless?: RootlessNetwork;
  /** Whose subordinate ids containers' are: "default", USER, USER:GROUP, UID, UID:GID; "" for no user namespaces. */
  readonly usernsRemap: string;
  /** Who makes control groups; undefined: the engine itself, or for an ordinary user his systemd, if it can. */
  readonly cgroupDriver: "cgroupfs" | "systemd" | undefined;
  /** For containers' real-time processes together; undefined: none. */
  readonly realtime: RealtimeBudget | undefined;
  /** Other runtimes than the engine's own. */
  readonly runtimes: RuntimesOptions;
  /** What the writable layer of a container that does not say may take on the disk. */
  readonly layerLimitBytes: number | undefined;
  /** Ceiling of the build cache. */
  readonly buildCacheBytes: number;
}

/** How the world reaches an ordinary user's engine. */
export interface RootlessNetwork {
  /** Of who holds the namespaces, and opens the host's ports. */
  readonly folder: string;
}

export interface OwnedEngine extends AsyncDisposable {
  readonly engine: Engine;
  /** Start the containers whose restart policy asks for it. Run once, when requests are answered already. */
  startByPolicy(): Promise<void>;
  /** Remove bridge, packet rules and control groups. Throws conflict while containers run. */
  teardown(): Promise<void>;
}

/**
 * Build the engine from its options and bring rows and kernel together. Disposing lets go of everything, containers go
 * on. What was opened is closed in reverse order, also when a later step fails. Throws conflict when another daemon has
 * the same data root.
 */
export async function openEngine(options: EngineOptions, log: Log): Promise<OwnedEngine> {
  await using stack = new AsyncDisposableStack();
  const { execRoot, name } = options;
  const idMaps = userNamespaceOf(options, log);
  mkdirSync(options.dataRoot, { recursive: true, mode: 0o710 });
  // Also one that was there: a setuid program of an image is not for the machine's users (CVE-2021-41091).
  chmodSync(options.dataRoot, 0o710);
  mkdirSync(execRoot, { recursive: true, mode: 0o711 });
  stack.use(
    lockDatabaseFile(
      join(options.dataRoot, "lock"),
      `the data root ${options.dataRoot} is in use by another daemon: stop it, or give this one a --data-root of its own`,
    ),
  );
  const shimPath = installShim(join(options.dataRoot, "bin"));
  const { folder: dataRoot, storedOwners } =
    idMaps === undefined
      ? { folder: options.dataRoot, storedOwners: undefined }
      : await remappedRoot(options.dataRoot, shimPath, idMaps, log);
  mkdirSync(dataRoot, { recursive: true, mode: 0o710 });
  if (storedOwners !== undefined) process.env[storedOwners.environment[0]] = storedOwners.environment[1];
  const runtimes = createRuntimes(options.runtimes);
  const groups = stack.use(await openControlGroups(options, shimPath, log));
  const { layout, placement } = groups;

  const store = stack.use(
    openStore(join(dataRoot, "gantry.db"), [
      ...container.migrations,
      ...network.migrations,
      ...volume.migrations,
      ...imageMigrations,
      ...snapshotMigrations,
      ...quotaMigrations,
      ...build.buildMigrations,
    ]),
  );
  const events = createEventLog();
  const content = await openContentStore(join(dataRoot, "content"));
  const layers = join(dataRoot, "snapshots");
  const quotas = createFolderQuotas({ store, root: dataRoot, shim: shimPath });
  if (options.layerLimitBytes !== undefined) await quotas.check();
  const snapshotter = await createOverlaySnapshotter({
    store,
    root: layers,
    quotas,
    owner: storedOwners?.root,
  });
  await content.sweep();
  for (const sentence of [...(await snapshotter.sweep()), ...(await quotas.restore())]) log.warn(sentence);
  const volumes = volume.createVolumeService({
    store,
    root: join(dataRoot, "volumes"),
    events,
    shimPath,
    quotas,
    owner: storedOwners?.root,
    usedBy: (name) => containers.usersOfVolume(name),
  });
  const createFirewall =
    options.firewallBackend === "iptables" ? createIptablesFirewall : createNftablesFirewall;
  const networks = stack.use(
    network.createNetworkService({
      store,
      events,
      log,
      shimPath,
      name,
      firewall: createFirewall({ name, shimPath, log }),
      namesSocket: join(execRoot, "names.sock"),
      ...forwardingOf(options, log),
      settings: options.networks,
    }),
  );
  const registries = new RegistryNetwork({
    rules: registryRules(options),
    certificates: join(options.configRoot, "certs.d"),
  });
  const images = stack.use(
    createImageService({
      store,
      content,
      snapshotter,
      events,
      shim: shimPath,
      usedBy: (imageId) => containers.usersOf(imageId),
      registries,
      builtins: BUILTIN_NAMES.map((image) => ({ name: image, open: () => openEmbeddedArchive(image) })),
      roots: () => builds.roots(),
      folder: dataRoot,
      log,
    }),
  );
  const seccomp = createSeccompCompiler({ shimPath, cacheFolder: join(dataRoot, "seccomp") });
  const baseLayer = join(dataRoot, "base");
  await container.prepareBaseLayer(baseLayer);
  storedOwners?.handOverTree(baseLayer);
  const folder = join(dataRoot, "containers");
  mkdirSync(folder, { recursive: true, mode: 0o710 });
  const bundles = new BundleStore(execRoot);
  const tasks = stack.use(createTaskLauncher({ execRoot, shimPath, standby: true }));
  const launcher = withRuntimes(groups.launching(tasks), bundles);
  const cdi = container.createCdiRegistry(cdiFolders(options), log);
  const planner = container.createLaunchPlanner({
    snapshotter,
    layout,
    placement,
    seccomp,
    baseLayer,
    runtimes,
    bundles,
    taskFolder: (id) => launcher.folderOf(id),
    shim: shimPath,
    cdi,
    layerFolders: [layers],
    groups: ownIds("gid"),
    storedOwners,
  });
  const builds = build.createBuildService({
    store,
    content,
    snapshotter,
    images,
    registries,
    isChainOfImage: (chainId) => images.hasLayer(chainId),
    steps: { planner, launcher, network: networks, store, idMaps },
    cdi,
    events,
    log,
    shim: shimPath,
    storedOwners,
    folder: join(dataRoot, "build"),
    runFolder: join(execRoot, "build"),
    cacheLimitBytes: options.buildCacheBytes,
  });
  const containers = container.createContainerService({
    store,
    images,
    snapshotter,
    network: networks,
    volumes,
    shim: shimPath,
    launcher,
    planner,
    runtimes,
    groups: container.createContainerGroups(groups),
    events,
    log,
    packTree: (folders) => packTree(shimPath, folders),
    folder,
    layerLimitBytes: options.layerLimitBytes,
    idMaps,
  });
  for (const sentence of await images.recover()) log.error(sentence);
  await containers.reconcile();
  await images.collectGarbage();

  const id = engineId(join(dataRoot, "engine-id"));
  const engine: Engine = {
    builds,
    containers,
    images,
    networks,
    volumes,
    events,
    diskUsage: (query) => describeDiskUsage(engine, dataRoot, query),
    version: describeVersion,
    info: async () =>
      describeInfo({
        id,
        dataRoot,
        containers: containers.counts(),
        images: (await images.list({ all: false, filters: new Map(), sharedSize: false })).length,
        cgroupVersion: cgroupVersion(layout),
        cgroupDriver: placement.driver,
        support: groups.support,
        userNamespaces: idMaps !== undefined,
        runtimes,
        rootless: options.rootless !== undefined,
        cdiFolders: cdiFolders(options),
        warnings: networks.openPortWarnings(),
      }),
  };
  const owned = stack.move();
  return {
    engine,
    startByPolicy: () => containers.startByPolicy(),
    async teardown() {
      await networks.teardown();
      groups.teardown();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Who opens ports of the host for an engine that lives beside it. */
function forwardingOf(
  { rootless }: EngineOptions,
  log: Log,
): Pick<network.NetworkServiceOptions, "forwarding"> {
  if (rootless === undefined) return {};
  const lost = (sentence: string) => log.warn(sentence);
  return { forwarding: network.createHostForwarding(join(rootless.folder, "ports.sock"), lost) };
}

/** The maps of new containers. Throws invalid for who has no subordinate ids. */
function userNamespaceOf({ usernsRemap }: EngineOptions, log: Log): IdMaps | undefined {
  if (usernsRemap === "") return undefined;
  const maps = remapOf(usernsRemap);
  if (maps === undefined)
    log.warn("root cannot be remapped with itself; containers have no user namespaces of their own");
  return maps;
}

/** The rules of registries.json and those of the command line; the latter come first. Throws invalid. */
function registryRules({ configRoot, registryMirrors, insecureRegistries }: EngineOptions): RegistryRules {
  const { mirrors, insecure } = readRegistryRules(join(configRoot, "registries.json"));
  const given = registryMirrors.map(parseMirrorRule);
  return { mirrors: [...given, ...mirrors], insecure: [...insecureRegistries, ...insecure] };
}

/** Where drivers describe their devices, and this engine's administrator, who has the last word. */
const cdiFolders = ({ configRoot }: EngineOptions): string[] => [
  "/etc/cdi",
  "/run/cdi",
  join(configRoot, "cdi"),
];

/** A random name for the engine, made once. */
function engineId(file: string): string {
  if (!existsSync(file)) writeFileAtomic(file, randomHex(16));
  return readFileSync(file, "utf8");
}
