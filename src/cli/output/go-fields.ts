import { NIL_POINTER, nilList, nilMap } from "../template/index.ts";

/** What Go has in the fields of `Config` that JSON leaves out or tells as null (Moby's container.Config). */
const EMPTY: Readonly<Record<string, () => unknown>> = {
  Hostname: () => "",
  Domainname: () => "",
  User: () => "",
  AttachStdin: () => false,
  AttachStdout: () => false,
  AttachStderr: () => false,
  ExposedPorts: nilMap,
  Tty: () => false,
  OpenStdin: () => false,
  StdinOnce: () => false,
  Env: nilList,
  Cmd: nilList,
  Healthcheck: () => NIL_POINTER,
  ArgsEscaped: () => false,
  Image: () => "",
  Volumes: nilMap,
  WorkingDir: () => "",
  Entrypoint: nilList,
  NetworkDisabled: () => false,
  OnBuild: nilList,
  Labels: nilMap,
  StopSignal: () => "",
  StopTimeout: () => NIL_POINTER,
  Shell: nilList,
};

/**
 * An inspected container or image as templates see it: docker's client decodes into a structure of Go, so that
 * `{{.Config.Cmd}}` of an image without one is "[]" and no mistake. `{{json .Config}}` stays what the daemon has sent.
 */
export function withGoFields(inspected: unknown): unknown {
  const config: unknown = inspected instanceof Object ? Reflect.get(inspected, "Config") : undefined;
  if (!(config instanceof Object)) return inspected;
  for (const [name, empty] of Object.entries(EMPTY)) {
    const isSent = Object.hasOwn(config, name);
    if (isSent && Reflect.get(config, name) !== null) continue;
    Object.defineProperty(config, name, { value: empty(), enumerable: isSent });
  }
  return inspected;
}
