import type { Peer } from "./peer.ts";
import type { EmptyRegistry } from "./registries.ts";

/** One kind of work, measured on every engine in turn, round after round. */
export interface Row {
  readonly name: string;
  readonly target?: number;
  readonly unit: "ms" | "MB";
  readonly rounds: number;
  /** Names of the engines that take part; all unless told. */
  readonly peers?: readonly string[];
  /** What the kernel and a plain program need for the same work, measured in the same rounds. */
  readonly reference?: Reference;
  /** Once per engine, before the first round. */
  prepare?(peer: Peer): Promise<void>;
  /** One measurement in the row's unit. */
  sample(peer: Peer): Promise<number>;
  /** Once per engine, after the last round, also when a round failed. */
  finish?(peer: Peer): Promise<void>;
}

/** A program that is no engine, and how far Gantry may be from it. */
export interface Reference {
  readonly name: string;
  /** Gantry's figure as a multiple of this program's. */
  readonly atMost: number;
  /** Once, before the first round. */
  prepare?(): Promise<void>;
  sample(): Promise<number>;
  /** Once, after the last round. */
  finish?(): Promise<void>;
}

/** What rows share: files that are made once. */
export interface Material {
  /** Folder for archives that rows write. */
  readonly folder: string;
  /** A Debian root file system as a plain tar. */
  readonly rootfs: string;
  /** The same as a docker-archive, with the name "debian". */
  readonly debianArchive: string;
  /** Address of a registry on every engine's loopback; it has the image "debian:bench". */
  readonly registry: string;
  /** Another one, for pushes. */
  readonly emptyRegistry: EmptyRegistry;
}
