import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { notFound } from "../errors/index.ts";
import { runBuild } from "./build.ts";
import { CacheMounts } from "./cache/mounts.ts";
import { cacheRecords, prune } from "./cache/prune.ts";
import { CacheLayouts, readCacheLayout, writeCacheLayout } from "./cache/remote/layouts.ts";
import { CacheTable } from "./cache/table.ts";
import { checkDockerfile } from "./check.ts";
import { ContextFiles } from "./context/files.ts";
import { SentContexts } from "./context/sent.ts";
import type { BuildContext, BuildServiceOptions } from "./dependencies.ts";
import { BuildHistory } from "./history.ts";
import { exportTree } from "./output/tree.ts";
import { RunningBuilds } from "./running.ts";
import { SecretOffers } from "./secrets.ts";
import type { BuildService } from "./service.ts";
import { Shells } from "./shells.ts";

/** The service with what only the composition asks for. */
export interface OwnedBuildService extends BuildService {
  /** Chains that the cache relies on, against the images' garbage collection. */
  roots(): ReadonlySet<string>;
}

export function createBuildService(options: BuildServiceOptions): OwnedBuildService {
  sweep(options.folder);
  rmSync(options.runFolder, { recursive: true, force: true });
  mkdirSync(options.runFolder, { recursive: true, mode: 0o700 });
  const contextFiles = new ContextFiles(options.store, join(options.folder, "files"));
  contextFiles.sweep();
  const context: BuildContext = {
    ...options,
    cache: new CacheTable(options.store),
    cacheMounts: new CacheMounts(options.store, join(options.folder, "mounts")),
    cacheLayouts: new CacheLayouts(),
    contextFiles,
    sentContexts: new SentContexts(options.folder, contextFiles),
    running: new RunningBuilds(),
    secrets: new SecretOffers(),
    shells: new Shells(),
  };
  const history = new BuildHistory();
  return {
    build: (request, signal) => runBuild(context, history, request, signal),
    cancel: (id) => context.running.cancel(id),
    check: (request, signal) => checkDockerfile(context, request, signal),
    offerSecrets: (session, secrets) => context.secrets.put(session, secrets),
    attachShell: (id, size) => context.shells.attach(id, size),
    resizeShell: (id, size) => context.shells.resize(id, size),
    beginContext: (session, name, list) => context.sentContexts.begin(session, name, list),
    completeContext: (session, tar) => context.sentContexts.complete(session, tar),
    async offerCache(session, name, layout) {
      const lease = context.images.lease();
      try {
        context.cacheLayouts.put(session, name, await readCacheLayout(context.content, layout, lease));
      } catch (error) {
        lease[Symbol.dispose]();
        throw error;
      }
    },
    async takeCache(session, name) {
      const layout = context.cacheLayouts.take(session, name);
      if (layout === undefined) throw notFound(`no cache ${name} was written for this session`);
      return writeCacheLayout(context.content, layout);
    },
    exportTree: (image, signal) => exportTree(context, image, signal),
    cacheRecords: () => cacheRecords(context),
    prune: (how) => prune(context, how),
    history: () => history.list(),
    roots: () => context.cache.chains,
  };
}

/** Contexts and copies of builds that a crash ended. */
function sweep(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  for (const name of readdirSync(folder))
    if (/^(context|tmp)-/.test(name)) rmSync(join(folder, name), { recursive: true, force: true });
}
