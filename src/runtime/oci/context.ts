import type { CgroupLayout } from "../cgroup/index.ts";
import type { SeccompCompiler } from "../seccomp/index.ts";
import type { Scopes } from "../systemd/index.ts";
import type { BundleConfig } from "./config.ts";
import type { CompiledFilter } from "./plan.ts";
import type { StateStore } from "./state.ts";

/** What the commands of the runtime work with. */
export interface OciContext {
  readonly store: StateStore;
  readonly layout: CgroupLayout;
  readonly shimPath: string;
  /** Whether systemd is to make the control groups (--systemd-cgroup). */
  readonly systemd: boolean;
  /** Throws unsupported where systemd cannot; the caller disposes of it. */
  readonly openScopes: () => Promise<Scopes>;
  readonly seccomp: SeccompCompiler;
  /** What goes wrong without making the command fail. */
  readonly warn: (message: string) => void;
}

/** The configuration's filter. Rules of a bundle have no conditions on capabilities. */
export async function filterOf(
  context: OciContext,
  config: BundleConfig,
): Promise<CompiledFilter | undefined> {
  if (config.seccomp === undefined) return undefined;
  const { flags } = config.seccomp;
  return { program: await context.seccomp.compile(config.seccomp, new Set()), flags };
}
