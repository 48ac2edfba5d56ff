import type { Heredoc } from "./heredoc.ts";
import type { Location } from "./location.ts";

/** A command: exec form (a JSON list) or shell form (words for a shell). */
export type CommandForm =
  | { readonly form: "exec"; readonly args: readonly string[] }
  | { readonly form: "shell"; readonly command: string };

export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

/** Source of a COPY or ADD: a path (pattern, URL) or a here-document. */
export type CopySource =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "heredoc"; readonly heredoc: Heredoc };

export type MountType = "bind" | "cache" | "tmpfs" | "secret" | "ssh";

/** `RUN --mount`, keys in their one spelling, numbers as text. */
export interface MountFlag {
  readonly type: MountType;
  readonly target: string;
  readonly source: string;
  readonly from: string;
  readonly id: string;
  readonly env: string;
  readonly sharing: string;
  readonly size: string;
  readonly mode: string;
  readonly uid: string;
  readonly gid: string;
  readonly readonly: boolean;
  readonly required: boolean;
}

/** `RUN --device`: a device of the Container Device Interface, or several by one name. */
export interface DeviceFlag {
  /** "vendor.com/class=name", "vendor.com/class=*", "vendor.com/class" for its first, or a class that devices are annotated with. */
  readonly name: string;
  /** Without it the command runs also where there is no such device. */
  readonly required: boolean;
}

interface Common {
  readonly location: Location;
  /** The instruction as it stands in the file, continuation lines joined: what history and progress show. */
  readonly text: string;
  readonly heredocs: readonly Heredoc[];
  /** As written, for style checks: "From". */
  readonly spelling: string;
}

export interface CopyFlags {
  readonly from: string;
  readonly chown: string;
  readonly chmod: string;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  readonly checksum: string;
  readonly keepGitDir: boolean;
  /** undefined: local archives are unpacked, downloads are not. */
  readonly unpack: boolean | undefined;
}

export interface HealthFlags {
  readonly interval: string;
  readonly timeout: string;
  readonly startPeriod: string;
  readonly startInterval: string;
  readonly retries: string;
}

/** One kind for each of several names. */
type Named<Name extends string, Fields> = Name extends Name ? { readonly name: Name } & Fields : never;

type Kind =
  | Named<
      "FROM",
      {
        readonly platform: string;
        readonly image: string;
        /** In lower case; "" without one. */
        readonly stage: string;
        /** The word before it, as written. */
        readonly as: string;
      }
    >
  | Named<"ARG", { readonly args: readonly { readonly key: string; readonly value: string | undefined }[] }>
  | Named<"ENV" | "LABEL", { readonly pairs: readonly KeyValue[]; readonly legacy: boolean }>
  | Named<
      "RUN",
      {
        readonly command: CommandForm;
        /** As written, for their values may hold variables (`parseMountFlag`). */
        readonly mounts: readonly string[];
        readonly network: string;
        readonly security: string;
        readonly devices: readonly DeviceFlag[];
      }
    >
  | Named<"CMD" | "ENTRYPOINT", { readonly command: CommandForm }>
  | Named<
      "COPY" | "ADD",
      { readonly sources: readonly CopySource[]; readonly destination: string; readonly flags: CopyFlags }
    >
  | Named<"WORKDIR" | "USER" | "STOPSIGNAL" | "MAINTAINER", { readonly value: string }>
  | Named<"EXPOSE", { readonly ports: readonly string[] }>
  | Named<"VOLUME", { readonly paths: readonly string[] }>
  | Named<"SHELL", { readonly shell: readonly string[] }>
  | Named<"HEALTHCHECK", { readonly command: CommandForm | "none"; readonly flags: HealthFlags }>
  | Named<"ONBUILD", { readonly trigger: string }>;

export type Instruction = Common & Kind;
export type InstructionName = Instruction["name"];
export type InstructionOf<Name extends InstructionName> = Extract<Instruction, { readonly name: Name }>;

/** A stage: from its FROM up to the next one. */
export interface Stage {
  readonly from: InstructionOf<"FROM">;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  /** As messages name it. */
  readonly file: string;
  readonly source: string;
  readonly escape: "\\" | "`";
  readonly syntax: string | undefined;
  readonly check: string | undefined;
  /** ARGs before the first FROM. */
  readonly globalArgs: readonly InstructionOf<"ARG">[];
  readonly stages: readonly Stage[];
  /** Places where a continuation holds an empty line. */
  readonly emptyContinuations: readonly Location[];
  /** Comments right above an instruction, by its first line. */
  readonly comments: ReadonlyMap<number, string>;
}
