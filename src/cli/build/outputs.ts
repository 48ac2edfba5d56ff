import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdirSync, renameSync, rmSync } from "node:fs";
import type { Writable } from "node:stream";
import type { EngineClient } from "../../client/index.ts";
import { parseReference } from "../../reference/index.ts";
import { registryAuthHeader } from "../account/accounts.ts";
import { ExitError } from "../command/usage-error.ts";
import { showProgress } from "../output/progress.ts";

/** `--output`: what a result becomes besides an image of the engine. */
export interface Output {
  readonly type: "local" | "tar" | "oci" | "docker" | "image" | "registry";
  /** A folder or a file; "-" for stdout, "" for none. */
  readonly destination: string;
}

const TYPES: readonly Output["type"][] = ["local", "tar", "oci", "docker", "image", "registry"];

/** "type=T,dest=D", a path alone for a folder, "-" for a tar on stdout. Throws ExitError. */
export function parseOutputs(flags: readonly string[]): Output[] {
  return flags.map((flag) => {
    if (flag === "-") return { type: "tar", destination: "-" };
    if (!flag.includes("=")) return { type: "local", destination: flag };
    const fields = new Map(
      flag.split(",").map((field) => [field.split("=")[0] ?? "", field.slice(field.indexOf("=") + 1)]),
    );
    const type = TYPES.find((known) => known === fields.get("type"));
    if (type === undefined) throw new ExitError(1, `invalid output ${flag}: want type=${TYPES.join("|")}`);
    for (const key of fields.keys())
      if (!["type", "dest", "push", "name"].includes(key))
        throw new ExitError(1, `output ${type} does not take ${key}`);
    const destination = fields.get("dest") ?? "";
    if (destination === "" && (type === "local" || type === "tar"))
      throw new ExitError(1, `output ${type} needs dest=`);
    return { type: fields.get("push") === "true" ? "registry" : type, destination };
  });
}

export async function writeOutputs(
  client: EngineClient,
  id: string,
  outputs: readonly Output[],
  names: readonly string[],
): Promise<void> {
  for (const { type, destination } of outputs) {
    switch (type) {
      case "image":
        break;
      case "registry":
        for (const name of names) await push(client, name);
        break;
      case "local":
        await unpackInto(client.bytes("GET", "/build/tree", { image: id }), destination);
        break;
      case "tar":
        await writeTo(destination, client.bytes("GET", "/build/tree", { image: id }));
        break;
      default:
        // One archive is both: an OCI layout with Docker's own documents in it.
        await writeTo(
          destination || "-",
          client.bytes("GET", "/images/get", { names: names.length === 0 ? [id] : names }),
        );
    }
  }
}

async function push(client: EngineClient, name: string): Promise<void> {
  const { registry, tag = "latest" } = parseReference(name);
  const headers = await registryAuthHeader(registry);
  await showProgress(
    client.progress(`/images/${name.replace(/:[^:/]+$/, "")}/push`, { tag }, undefined, headers),
    { quiet: false, fd: 2 },
  );
}

async function writeTo(path: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  if (path === "-") {
    if (process.stdout.isTTY)
      throw new ExitError(1, "refusing to write an archive to a terminal: give dest=, or redirect");
    await pour(bytes, process.stdout);
    return;
  }
  const temporary = `${path}.${process.pid}.part`;
  const file = createWriteStream(temporary);
  try {
    await pour(bytes, file);
    file.end();
    await once(file, "close");
    renameSync(temporary, path);
  } catch (error) {
    file.destroy();
    rmSync(temporary, { force: true });
    throw error;
  }
}

async function pour(bytes: AsyncIterable<Uint8Array>, into: Writable): Promise<void> {
  for await (const chunk of bytes) if (!into.write(chunk)) await once(into, "drain");
}

/** tar(1) unpacks: it keeps names and links within the folder. Owners are the caller's, unless that is root. */
async function unpackInto(bytes: AsyncIterable<Uint8Array>, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const tar = spawn("tar", ["-x", "-f", "-", "-C", folder], { stdio: ["pipe", "ignore", "inherit"] });
  const ended = once(tar, "close");
  tar.stdin.on("error", () => undefined);
  await pour(bytes, tar.stdin);
  tar.stdin.end();
  const [code] = await ended;
  if (code !== 0) throw new ExitError(1, `the result could not be unpacked into ${folder}`);
}
