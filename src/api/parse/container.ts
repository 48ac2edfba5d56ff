import { invalid } from "../../errors/index.ts";
import { parseDetachKeys } from "../../units/index.ts";
import type {
  ContainerConfig,
  ContainerCreateBody,
  EndpointSettings,
  ExecConfig,
  HealthConfig,
  HostConfig,
  Mount,
  PortMap,
  Resources,
  RestartPolicy,
  UpdateBody,
} from "../../wire/index.ts";
import {
  boolean,
  integer,
  type JsonObject,
  keys,
  list,
  map,
  maybe,
  object,
  objects,
  optional,
  string,
  strings,
  words,
} from "./fields.ts";

/** Body of POST /containers/create, with every field that may be absent filled in. */
export function parseContainerCreate(body: JsonObject): ContainerCreateBody {
  const networking = object(body.NetworkingConfig, "NetworkingConfig");
  return {
    config: containerConfig(body),
    hostConfig: hostConfig(object(body.HostConfig, "HostConfig")),
    networkingConfig: {
      EndpointsConfig: map(networking, "EndpointsConfig", (from, field) =>
        endpointSettings(object(from[field], field)),
      ),
    },
  };
}

function containerConfig(o: JsonObject): ContainerConfig {
  const volumes = keys(o, "Volumes");
  return {
    Hostname: string(o, "Hostname"),
    Domainname: string(o, "Domainname"),
    User: string(o, "User"),
    AttachStdin: boolean(o, "AttachStdin"),
    AttachStdout: boolean(o, "AttachStdout"),
    AttachStderr: boolean(o, "AttachStderr"),
    ExposedPorts: keys(o, "ExposedPorts"),
    Tty: boolean(o, "Tty"),
    OpenStdin: boolean(o, "OpenStdin"),
    StdinOnce: boolean(o, "StdinOnce"),
    Env: environment(o),
    Cmd: words(o, "Cmd"),
    ...maybe(o, "Healthcheck", (from, field) => healthcheck(object(from[field], field))),
    Image: string(o, "Image"),
    Volumes: Object.keys(volumes).length === 0 ? null : volumes,
    WorkingDir: string(o, "WorkingDir"),
    Entrypoint: words(o, "Entrypoint"),
    ...maybe(o, "NetworkDisabled", boolean),
    ...maybe(o, "MacAddress", string),
    OnBuild: strings(o, "OnBuild"),
    Labels: map(o, "Labels", string),
    ...maybe(o, "StopSignal", string),
    ...maybe(o, "StopTimeout", integer),
    ...maybe(o, "Shell", (from, field) => words(from, field) ?? []),
  };
}

function environment(o: JsonObject): string[] {
  const variables = strings(o, "Env") ?? [];
  const nameless = variables.find((text) => text === "" || text.startsWith("="));
  if (nameless !== undefined) throw invalid(`invalid environment variable: ${nameless}`);
  return variables;
}

/** "" for the client that gives none. Throws invalid. */
export function detachKeys(text: string): string {
  if (text !== "") parseDetachKeys(text);
  return text;
}

function healthcheck(o: JsonObject): HealthConfig {
  return {
    ...maybe(o, "Test", (from, field) => strings(from, field) ?? []),
    ...maybe(o, "Interval", integer),
    ...maybe(o, "Timeout", integer),
    ...maybe(o, "Retries", integer),
    ...maybe(o, "StartPeriod", integer),
    ...maybe(o, "StartInterval", integer),
  };
}

function hostConfig(o: JsonObject): HostConfig {
  const log = object(o.LogConfig, "LogConfig");
  const [rows = 0, columns = 0] = list(o, "ConsoleSize", integer) ?? [];
  return {
    Binds: strings(o, "Binds"),
    ContainerIDFile: string(o, "ContainerIDFile"),
    LogConfig: { Type: string(log, "Type"), Config: map(log, "Config", string) },
    NetworkMode: string(o, "NetworkMode"),
    PortBindings: portMap(o, "PortBindings"),
    RestartPolicy: restartPolicy(object(o.RestartPolicy, "RestartPolicy")),
    AutoRemove: boolean(o, "AutoRemove"),
    VolumeDriver: string(o, "VolumeDriver"),
    VolumesFrom: strings(o, "VolumesFrom"),
    ...maybe(o, "Mounts", (from, field) => objects(from, field, mount) ?? []),
    ConsoleSize: [rows, columns],
    ...maybe(o, "Annotations", (from, field) => map(from, field, string)),
    CapAdd: words(o, "CapAdd"),
    CapDrop: words(o, "CapDrop"),
    CgroupnsMode: string(o, "CgroupnsMode") as HostConfig["CgroupnsMode"],
    Dns: strings(o, "Dns") ?? [],
    DnsOptions: strings(o, "DnsOptions") ?? [],
    DnsSearch: strings(o, "DnsSearch") ?? [],
    ExtraHosts: strings(o, "ExtraHosts"),
    GroupAdd: strings(o, "GroupAdd"),
    IpcMode: string(o, "IpcMode"),
    Cgroup: string(o, "Cgroup"),
    Links: strings(o, "Links"),
    OomScoreAdj: integer(o, "OomScoreAdj"),
    PidMode: string(o, "PidMode"),
    Privileged: boolean(o, "Privileged"),
    PublishAllPorts: boolean(o, "PublishAllPorts"),
    ReadonlyRootfs: boolean(o, "ReadonlyRootfs"),
    SecurityOpt: strings(o, "SecurityOpt"),
    ...maybe(o, "StorageOpt", (from, field) => map(from, field, string)),
    ...maybe(o, "Tmpfs", (from, field) => map(from, field, string)),
    UTSMode: string(o, "UTSMode"),
    UsernsMode: string(o, "UsernsMode"),
    ShmSize: integer(o, "ShmSize"),
    ...maybe(o, "Sysctls", (from, field) => map(from, field, string)),
    Runtime: string(o, "Runtime"),
    Isolation: string(o, "Isolation"),
    MaskedPaths: strings(o, "MaskedPaths"),
    ReadonlyPaths: strings(o, "ReadonlyPaths"),
    ...maybe(o, "Init", boolean),
    ...resources(o),
  };
}

function resources(o: JsonObject): Resources {
  const weights = (item: JsonObject) => ({ Path: string(item, "Path"), Weight: integer(item, "Weight") });
  const rates = (item: JsonObject) => ({ Path: string(item, "Path"), Rate: integer(item, "Rate") });
  return {
    CpuShares: integer(o, "CpuShares"),
    Memory: integer(o, "Memory"),
    NanoCpus: integer(o, "NanoCpus"),
    CgroupParent: string(o, "CgroupParent"),
    BlkioWeight: integer(o, "BlkioWeight"),
    BlkioWeightDevice: objects(o, "BlkioWeightDevice", weights),
    BlkioDeviceReadBps: objects(o, "BlkioDeviceReadBps", rates),
    BlkioDeviceWriteBps: objects(o, "BlkioDeviceWriteBps", rates),
    BlkioDeviceReadIOps: objects(o, "BlkioDeviceReadIOps", rates),
    BlkioDeviceWriteIOps: objects(o, "BlkioDeviceWriteIOps", rates),
    CpuPeriod: integer(o, "CpuPeriod"),
    CpuQuota: integer(o, "CpuQuota"),
    CpuRealtimePeriod: integer(o, "CpuRealtimePeriod"),
    CpuRealtimeRuntime: integer(o, "CpuRealtimeRuntime"),
    CpusetCpus: string(o, "CpusetCpus"),
    CpusetMems: string(o, "CpusetMems"),
    Devices: objects(o, "Devices", (item) => ({
      PathOnHost: string(item, "PathOnHost"),
      PathInContainer: string(item, "PathInContainer"),
      CgroupPermissions: string(item, "CgroupPermissions"),
    })),
    DeviceCgroupRules: strings(o, "DeviceCgroupRules"),
    DeviceRequests: objects(o, "DeviceRequests", (item) => ({
      Driver: string(item, "Driver"),
      Count: integer(item, "Count"),
      DeviceIDs: strings(item, "DeviceIDs"),
      Capabilities: list(item, "Capabilities", (from, field) => strings(from, field) ?? []) ?? [],
      Options: map(item, "Options", string),
    })),
    ...maybe(o, "KernelMemory", integer),
    ...maybe(o, "KernelMemoryTCP", integer),
    MemoryReservation: integer(o, "MemoryReservation"),
    MemorySwap: integer(o, "MemorySwap"),
    MemorySwappiness: optional(o, "MemorySwappiness", integer) ?? null,
    OomKillDisable: optional(o, "OomKillDisable", boolean) ?? null,
    PidsLimit: optional(o, "PidsLimit", integer) ?? null,
    Ulimits: objects(o, "Ulimits", (item) => ({
      Name: string(item, "Name"),
      Soft: integer(item, "Soft"),
      Hard: integer(item, "Hard"),
    })),
  };
}

/** Body of POST /containers/{id}/update. */
export function parseUpdate(o: JsonObject): UpdateBody {
  return {
    resources: resources(o),
    restartPolicy: restartPolicy(object(o.RestartPolicy, "RestartPolicy")),
    publishAdd: portMap(o, "PublishAdd"),
    publishRemove: portMap(o, "PublishRemove"),
  };
}

function restartPolicy(o: JsonObject): RestartPolicy {
  return {
    // The service knows which names exist and refuses the others.
    Name: string(o, "Name") as RestartPolicy["Name"],
    MaximumRetryCount: integer(o, "MaximumRetryCount"),
  };
}

function portMap(o: JsonObject, field: string): PortMap {
  return map(o, field, (from, key) =>
    objects(from, key, (item) => ({ HostIp: string(item, "HostIp"), HostPort: string(item, "HostPort") })),
  );
}

function mount(o: JsonObject): Mount {
  const bind = (from: JsonObject, field: string) => {
    const options = object(from[field], field);
    return {
      ...maybe(options, "Propagation", string),
      ...maybe(options, "NonRecursive", boolean),
      ...maybe(options, "CreateMountpoint", boolean),
      ...maybe(options, "ReadOnlyNonRecursive", boolean),
      ...maybe(options, "ReadOnlyForceRecursive", boolean),
      ...maybe(options, "IdMap", string),
    };
  };
  const volume = (from: JsonObject, field: string) => {
    const options = object(from[field], field);
    return {
      ...maybe(options, "NoCopy", boolean),
      ...maybe(options, "Labels", (labels, key) => map(labels, key, string)),
      ...maybe(options, "Subpath", string),
      ...maybe(options, "DriverConfig", (config, key) => {
        const driver = object(config[key], key);
        return { Name: string(driver, "Name"), Options: map(driver, "Options", string) };
      }),
    };
  };
  const tmpfs = (from: JsonObject, field: string) => {
    const options = object(from[field], field);
    return {
      ...maybe(options, "SizeBytes", integer),
      ...maybe(options, "Mode", integer),
      ...maybe(
        options,
        "Options",
        (pairs, key) => list(pairs, key, (pair, name) => strings(pair, name) ?? []) ?? [],
      ),
    };
  };
  return {
    // The service knows which types exist and refuses the others.
    Type: string(o, "Type") as Mount["Type"],
    ...maybe(o, "Source", string),
    Target: string(o, "Target"),
    ...maybe(o, "ReadOnly", boolean),
    ...maybe(o, "Consistency", string),
    ...maybe(o, "BindOptions", bind),
    ...maybe(o, "VolumeOptions", volume),
    ...maybe(o, "ImageOptions", (from, field) => maybe(object(from[field], field), "Subpath", string)),
    ...maybe(o, "TmpfsOptions", tmpfs),
  };
}

/** What a container asks of one of its networks. */
export function endpointSettings(o: JsonObject): EndpointSettings {
  const ipam = (from: JsonObject, field: string) => {
    const config = object(from[field], field);
    return {
      ...maybe(config, "IPv4Address", string),
      ...maybe(config, "IPv6Address", string),
      ...maybe(config, "LinkLocalIPs", (from, field) => strings(from, field) ?? []),
    };
  };
  return {
    IPAMConfig: optional(o, "IPAMConfig", ipam) ?? null,
    Links: strings(o, "Links"),
    Aliases: strings(o, "Aliases"),
    MacAddress: string(o, "MacAddress"),
    DriverOpts: optional(o, "DriverOpts", (from, field) => map(from, field, string)) ?? null,
    GwPriority: integer(o, "GwPriority"),
    NetworkID: "",
    EndpointID: "",
    Gateway: "",
    IPAddress: "",
    IPPrefixLen: 0,
    IPv6Gateway: "",
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
  };
}

/** Body of POST /containers/{id}/exec. */
export function parseExecCreate(o: JsonObject): ExecConfig {
  return {
    AttachStdin: boolean(o, "AttachStdin"),
    AttachStdout: boolean(o, "AttachStdout"),
    AttachStderr: boolean(o, "AttachStderr"),
    DetachKeys: detachKeys(string(o, "DetachKeys")),
    Tty: boolean(o, "Tty"),
    Env: environment(o),
    Cmd: strings(o, "Cmd") ?? [],
    Privileged: boolean(o, "Privileged"),
    User: string(o, "User"),
    WorkingDir: string(o, "WorkingDir"),
    ConsoleSize: consoleSize(o) ?? null,
  };
}

export function consoleSize(o: JsonObject): [rows: number, columns: number] | undefined {
  const [rows, columns] = list(o, "ConsoleSize", integer) ?? [];
  return rows === undefined || columns === undefined ? undefined : [rows, columns];
}
