import { invalid } from "../../errors/index.ts";
import type { ContainerConfig, HostConfig } from "../../wire/index.ts";

/** With whom namespaces are shared, and what then cannot be asked for. Throws invalid in Docker's words. */
export function validateModes(host: HostConfig, config: ContainerConfig): void {
  const joins = (mode: string) => /^container:.+/.test(mode);
  if (!["", "private", "host", "shareable", "none"].includes(host.IpcMode) && !joins(host.IpcMode))
    throw invalid(`invalid IPC mode: ${host.IpcMode}`);
  if (!["", "host"].includes(host.PidMode) && !joins(host.PidMode))
    throw invalid(`invalid PID mode: ${host.PidMode}`);
  if (!["", "host"].includes(host.UTSMode)) throw invalid(`invalid UTS mode: ${host.UTSMode}`);
  if (!["", "private", "host"].includes(host.CgroupnsMode))
    throw invalid(`invalid cgroup namespace mode: ${host.CgroupnsMode}`);
  if (!["", "host"].includes(host.UsernsMode)) throw invalid(`invalid userns mode: ${host.UsernsMode}`);
  if (host.UTSMode === "host" && config.Hostname !== "")
    throw invalid("conflicting options: hostname and the UTS mode");
  if (host.UTSMode === "host" && config.Domainname !== "")
    throw invalid("conflicting options: domainname and the UTS mode");
  if (joins(host.NetworkMode)) refuseWithJoinedNetwork(host, config);
  for (const key of Object.keys(host.Sysctls ?? {})) validateSysctl(key, host);
}

/** What needs the host's user namespace. Throws invalid in Docker's words. */
export function validateWithUserNamespace(host: HostConfig): void {
  if (host.Privileged) {
    throw invalid(
      "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
    );
  }
  if (host.NetworkMode === "host")
    throw invalid("cannot share the host's network namespace when user namespaces are enabled");
  if (host.PidMode === "host")
    throw invalid("cannot share the host PID namespace when user namespaces are enabled");
}

/** Host name, addresses and ports are those of the container whose network is joined. */
function refuseWithJoinedNetwork(host: HostConfig, config: ContainerConfig): void {
  const refuse = (what: string) => invalid(`conflicting options: ${what}`);
  if (config.Hostname !== "") throw refuse("hostname and the network mode");
  if ((host.Links ?? []).length > 0)
    throw refuse("container type network can't be used with links. This would result in undefined behavior");
  if (host.Dns.length > 0) throw refuse("dns and the network mode");
  if ((host.ExtraHosts ?? []).length > 0) throw refuse("custom host-to-IP mapping and the network mode");
  if (config.MacAddress) throw refuse("mac-address and the network mode");
  if (Object.keys(host.PortBindings).length > 0 || host.PublishAllPorts)
    throw refuse("port publishing and the container type network mode");
  if (Object.keys(config.ExposedPorts ?? {}).length > 0)
    throw refuse("port exposing and the container type network mode");
}

const IPC_SYSCTL =
  /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\..+)$/;

/** Only what a namespace keeps apart from the host may be set. The key may be written with slashes, as sysctl(8) allows. */
function validateSysctl(written: string, host: HostConfig): void {
  const key = written.replaceAll("/", ".");
  const isIpc = IPC_SYSCTL.test(key);
  const isNet = key.startsWith("net.");
  const isUts = key === "kernel.domainname" || key === "kernel.hostname";
  if (!/^[a-zA-Z0-9_.*:@-]+$/.test(key) || key.includes("..") || (!isIpc && !isNet && !isUts))
    throw invalid(`sysctl '${written}' is not allowed: it is not kept apart by a namespace`);
  if (isNet && host.NetworkMode === "host")
    throw invalid(`sysctl '${written}' not allowed in host network namespace`);
  if (isIpc && host.IpcMode === "host")
    throw invalid(`sysctl '${written}' not allowed in host ipc namespace`);
  if (isUts && host.UTSMode === "host")
    throw invalid(`sysctl '${written}' not allowed in host UTS namespace`);
}
