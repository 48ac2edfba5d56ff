import type { CopyFlags, CopySource, MountFlag } from "../../dockerfile/index.ts";
import type { StepInfo } from "../events.ts";

/**
 * An operation of a build and what it works on. Its result is a file tree; vertices share inputs, so they form a graph
 * without circles (an input is made before what uses it).
 */
export type Vertex = SourceVertex | RunVertex | CopyVertex | FolderVertex;

/** An image's tree, or the empty one of `scratch`. */
export interface SourceVertex {
  readonly kind: "source";
  /** "sha256:…"; undefined for scratch. */
  readonly imageId: string | undefined;
  readonly reference: string;
  readonly step: StepInfo | undefined;
}

interface StepVertex {
  readonly step: StepInfo;
  readonly base: Vertex;
  /** The cache is not asked. */
  readonly noCache: boolean;
}

/** A command in the base's tree. */
export interface RunVertex extends StepVertex {
  readonly kind: "run";
  readonly args: readonly string[];
  /** The shell of the stage, for a look around. */
  readonly shell: string;
  readonly env: readonly string[];
  /** Variables that a command gets and that are no part of what it is: proxies. */
  readonly hiddenEnv: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  /** Name of a network. */
  readonly network: string;
  readonly privileged: boolean;
  readonly mounts: readonly RunMount[];
  /** "vendor.com/class=name" of devices of the Container Device Interface. */
  readonly devices: readonly string[];
  /** A here-document that is a program of its own, shown to the command as /dev/pipes/NAME. */
  readonly scripts: readonly { readonly name: string; readonly content: string }[];
}

export interface RunMount extends MountFlag {
  /** Where a bind or the first content of a cache comes from: another vertex, or the context. */
  readonly input: Vertex | "context" | undefined;
}

/** Files from elsewhere put into the base's tree. */
export interface CopyVertex extends StepVertex {
  readonly kind: "copy";
  /** Another vertex, or the name of a context of files: "" for that of the build. */
  readonly from: Vertex | string;
  readonly sources: readonly CopySource[];
  /** Absolute; with a slash at the end when it names a folder. */
  readonly destination: string;
  readonly flags: CopyFlags;
  readonly isAdd: boolean;
}

/** A folder that has to be there (WORKDIR). */
export interface FolderVertex extends StepVertex {
  readonly kind: "folder";
  readonly path: string;
  /** Whose it becomes, as USER has it; "" for root. */
  readonly user: string;
}

/** What a vertex needs before it can be worked on. */
export function inputsOf(vertex: Vertex): Vertex[] {
  switch (vertex.kind) {
    case "source":
      return [];
    case "folder":
      return [vertex.base];
    case "copy":
      return typeof vertex.from === "string" ? [vertex.base] : [vertex.base, vertex.from];
    case "run": {
      const inputs = vertex.mounts.flatMap(({ input }) =>
        input === undefined || input === "context" ? [] : [input],
      );
      return [vertex.base, ...inputs];
    }
  }
}

/** A vertex and all that it stands on, base last. */
export function chainOf(vertex: Vertex): Vertex[] {
  const chain = [vertex];
  for (let at = vertex; at.kind !== "source"; at = at.base) chain.push(at.base);
  return chain;
}
