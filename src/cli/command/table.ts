import type { Command } from "./command.ts";

/** A command's place in the help, and how to load it: only what is run is loaded. */
export interface Entry {
  readonly summary: string;
  /** Among the common commands at the top of the help. */
  readonly common?: boolean;
  readonly load: () => Promise<Command>;
}

const actions = () => import("../commands/container-actions.ts");
const images = () => import("../commands/image-actions.ts");

export const COMMANDS: Readonly<Record<string, Entry>> = {
  run: {
    summary: "Create and run a new container from an image",
    common: true,
    load: async () => (await import("../commands/run.ts")).run,
  },
  build: {
    summary: "Build an image from a Dockerfile",
    common: true,
    load: async () => (await import("../commands/build.ts")).build,
  },
  exec: {
    summary: "Execute a command in a running container",
    common: true,
    load: async () => (await import("../commands/exec.ts")).exec,
  },
  ps: { summary: "List containers", common: true, load: async () => (await import("../commands/ps.ts")).ps },
  pull: {
    summary: "Download an image from a registry",
    common: true,
    load: async () => (await images()).pull,
  },
  images: {
    summary: "List images",
    common: true,
    load: async () => (await import("../commands/images.ts")).images,
  },
  version: {
    summary: "Show the version of client and server",
    common: true,
    load: async () => (await import("../commands/version.ts")).version,
  },
  info: {
    summary: "Display system-wide information",
    common: true,
    load: async () => (await import("../commands/info.ts")).info,
  },
  attach: {
    summary: "Attach local standard input, output, and error streams to a running container",
    load: async () => (await import("../commands/attach.ts")).attach,
  },
  commit: {
    summary: "Create a new image from a container's changes",
    load: async () => (await import("../commands/commit.ts")).commit,
  },
  cp: {
    summary: "Copy files/folders between a container and the local filesystem",
    load: async () => (await import("../commands/cp.ts")).cp,
  },
  create: {
    summary: "Create a new container",
    load: async () => (await import("../commands/create.ts")).create,
  },
  diff: {
    summary: "Inspect changes to files or directories on a container's filesystem",
    load: async () => (await import("../commands/diff.ts")).diff,
  },
  events: {
    summary: "Get real time events from the server",
    load: async () => (await import("../commands/events.ts")).events,
  },
  explain: {
    summary: "Show what makes a container: namespaces, limits, layers, rights, network and launch plan",
    load: async () => (await import("../commands/explain.ts")).explain,
  },
  export: {
    summary: "Export a container's filesystem as a tar archive",
    load: async () => (await import("../commands/export.ts")).exportContainer,
  },
  history: {
    summary: "Show the history of an image",
    load: async () => (await import("../commands/history.ts")).history,
  },
  import: {
    summary: "Import the contents from a tarball to create a filesystem image",
    load: async () => (await images()).importImage,
  },
  inspect: {
    summary: "Return low-level information on containers, images, networks and volumes",
    load: async () => (await import("../commands/inspect.ts")).inspect,
  },
  kill: { summary: "Kill one or more running containers", load: async () => (await actions()).kill },
  load: { summary: "Load an image from a tar archive or STDIN", load: async () => (await images()).load },
  logs: {
    summary: "Fetch the logs of a container",
    load: async () => (await import("../commands/logs.ts")).logs,
  },
  pause: {
    summary: "Pause all processes within one or more containers",
    load: async () => (await actions()).pause,
  },
  login: {
    summary: "Authenticate to a registry",
    common: true,
    load: async () => (await import("../commands/login.ts")).login,
  },
  logout: {
    summary: "Log out from a registry",
    common: true,
    load: async () => (await import("../commands/login.ts")).logout,
  },
  push: {
    summary: "Upload an image to a registry",
    common: true,
    load: async () => (await import("../commands/push.ts")).push,
  },
  search: {
    summary: "Search a registry for images",
    common: true,
    load: async () => (await import("../commands/search.ts")).search,
  },
  port: {
    summary: "List port mappings or a specific mapping for the container",
    load: async () => (await import("../commands/port.ts")).port,
  },
  rename: { summary: "Rename a container", load: async () => (await actions()).rename },
  restart: { summary: "Restart one or more containers", load: async () => (await actions()).restart },
  rm: { summary: "Remove one or more containers", load: async () => (await actions()).rm },
  rmi: { summary: "Remove one or more images", load: async () => (await images()).rmi },
  save: {
    summary: "Save one or more images to a tar archive (streamed to STDOUT by default)",
    load: async () => (await images()).save,
  },
  start: {
    summary: "Start one or more stopped containers",
    load: async () => (await import("../commands/start.ts")).start,
  },
  stop: { summary: "Stop one or more running containers", load: async () => (await actions()).stop },
  stats: {
    summary: "Display a live stream of container(s) resource usage statistics",
    load: async () => (await import("../commands/stats.ts")).stats,
  },
  tag: {
    summary: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    load: async () => (await images()).tag,
  },
  top: {
    summary: "Display the running processes of a container",
    load: async () => (await import("../commands/top.ts")).top,
  },
  unpause: {
    summary: "Unpause all processes within one or more containers",
    load: async () => (await actions()).unpause,
  },
  update: {
    summary: "Update configuration of one or more containers",
    load: async () => (await import("../commands/update.ts")).update,
  },
  wait: {
    summary: "Block until one or more containers stop, then print their exit codes",
    load: async () => (await actions()).wait,
  },
};

const inspectContainer: Entry = {
  summary: "Display detailed information on one or more containers",
  load: async () => (await import("../commands/inspect.ts")).inspectContainer,
};
const networks = () => import("../commands/network.ts");
const networkEntries: Readonly<Record<string, Entry>> = {
  connect: {
    summary: "Connect a container to a network",
    load: async () => (await networks()).connectNetwork,
  },
  create: { summary: "Create a network", load: async () => (await networks()).createNetwork },
  disconnect: {
    summary: "Disconnect a container from a network",
    load: async () => (await networks()).disconnectNetwork,
  },
  inspect: {
    summary: "Display detailed information on one or more networks",
    load: async () => (await import("../commands/inspect.ts")).inspectNetwork,
  },
  ls: { summary: "List networks", load: async () => (await networks()).listNetworks },
  list: { summary: "List networks", load: async () => (await networks()).listNetworks },
  prune: { summary: "Remove all unused networks", load: async () => (await networks()).pruneNetworks },
  rm: { summary: "Remove one or more networks", load: async () => (await networks()).removeNetworks },
  remove: { summary: "Remove one or more networks", load: async () => (await networks()).removeNetworks },
};

const volumes = () => import("../commands/volume.ts");
const volumeEntries: Readonly<Record<string, Entry>> = {
  clone: {
    summary: "Make a volume with the content of another",
    load: async () => (await volumes()).cloneVolume,
  },
  create: { summary: "Create a volume", load: async () => (await volumes()).createVolume },
  export: { summary: "Write a volume to a tar archive", load: async () => (await volumes()).exportVolume },
  import: {
    summary: "Unpack a tar archive into a volume",
    load: async () => (await volumes()).importVolume,
  },
  inspect: {
    summary: "Display detailed information on one or more volumes",
    load: async () => (await import("../commands/inspect.ts")).inspectVolume,
  },
  ls: { summary: "List volumes", load: async () => (await volumes()).listVolumes },
  list: { summary: "List volumes", load: async () => (await volumes()).listVolumes },
  prune: { summary: "Remove unused local volumes", load: async () => (await volumes()).pruneVolumes },
  rm: { summary: "Remove one or more volumes", load: async () => (await volumes()).removeVolumes },
  remove: { summary: "Remove one or more volumes", load: async () => (await volumes()).removeVolumes },
};

const contexts = () => import("../commands/context.ts");
const builders = () => import("../commands/builder.ts");
const builderEntries: Readonly<Record<string, Entry | undefined>> = {
  build: COMMANDS.build,
  du: { summary: "Show what the build cache keeps, and why", load: async () => (await builders()).builderDu },
  history: {
    summary: "Show the builds since the daemon's start",
    load: async () => (await builders()).builderHistory,
  },
  prune: { summary: "Remove build cache", load: async () => (await builders()).builderPrune },
};

const inspectImage: Entry = {
  summary: "Display detailed information on one or more images",
  load: async () => (await import("../commands/inspect.ts")).inspectImage,
};

type Group = { readonly summary: string; readonly entries: Readonly<Record<string, Entry | undefined>> };

const pick = (...names: string[]) => Object.fromEntries(names.map((name) => [name, COMMANDS[name]]));

/** The same commands by the nouns they are about. */
export const GROUPS: Readonly<Record<string, Group>> = {
  container: {
    summary: "Manage containers",
    entries: {
      ...pick(
        "attach",
        "commit",
        "cp",
        "create",
        "diff",
        "explain",
        "export",
        "exec",
        "kill",
        "logs",
        "pause",
        "port",
        "rename",
        "restart",
        "rm",
        "run",
        "start",
        "stats",
        "stop",
        "top",
        "unpause",
        "update",
        "wait",
      ),
      inspect: inspectContainer,
      prune: {
        summary: "Remove all stopped containers",
        load: async () => (await import("../commands/prune.ts")).pruneContainers,
      },
      ls: COMMANDS.ps,
      list: COMMANDS.ps,
      ps: COMMANDS.ps,
      remove: COMMANDS.rm,
    },
  },
  image: {
    summary: "Manage images",
    entries: {
      ...pick("build", "history", "import", "load", "pull", "push", "save", "tag"),
      diff: {
        summary: "Show the files in which two images differ",
        load: async () => (await import("../commands/image-layers.ts")).imageDiff,
      },
      inspect: inspectImage,
      layers: {
        summary: "Show what each layer of an image adds, changes and hides",
        load: async () => (await import("../commands/image-layers.ts")).imageLayers,
      },
      prune: {
        summary: "Remove unused images",
        load: async () => (await import("../commands/prune.ts")).pruneImages,
      },
      ls: COMMANDS.images,
      list: COMMANDS.images,
      rm: COMMANDS.rmi,
      remove: COMMANDS.rmi,
    },
  },
  registry: {
    summary: "Run a registry",
    entries: {
      serve: {
        summary: "Serve images to docker, podman and other clients",
        load: async () => (await import("../registry/serve.ts")).serve,
      },
      gc: {
        summary: "Remove what no image of a registry needs",
        load: async () => (await import("../registry/gc.ts")).gc,
      },
    },
  },
  builder: { summary: "Manage builds and their cache", entries: builderEntries },
  context: {
    summary: "Choose among daemons",
    entries: {
      ls: { summary: "List contexts", load: async () => (await contexts()).listAllContexts },
      list: { summary: "List contexts", load: async () => (await contexts()).listAllContexts },
      show: {
        summary: "Print the name of the current context",
        load: async () => (await contexts()).showContext,
      },
      use: { summary: "Set the current context", load: async () => (await contexts()).useOneContext },
    },
  },
  network: { summary: "Manage networks", entries: networkEntries },
  volume: { summary: "Manage volumes", entries: volumeEntries },
  system: {
    summary: "Manage Gantry",
    entries: {
      ...pick("events", "info"),
      df: { summary: "Show disk usage", load: async () => (await import("../commands/disk.ts")).df },
      fsck: {
        summary: "Check what is stored",
        load: async () => (await import("../commands/disk.ts")).fsck,
      },
      prune: {
        summary: "Remove unused data",
        load: async () => (await import("../commands/prune.ts")).pruneSystem,
      },
    },
  },
};
