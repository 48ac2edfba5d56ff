import { spawn } from "node:child_process";
import { errnoOf } from "../../errors/index.ts";

/** What a credential program keeps for a server (docker-credential-helpers, "protocol"). */
export interface StoredCredentials {
  readonly Username: string;
  readonly Secret: string;
}

/** Told as the user's name when the secret is an identity token. */
export const TOKEN_USER = "<token>";

/** Ask docker-credential-NAME; undefined when it has nothing for the server. Throws when it cannot be run or fails. */
export async function getCredentials(name: string, server: string): Promise<StoredCredentials | undefined> {
  const { code, stdout, stderr } = await runProgram(name, "get", server);
  const text = `${stdout}${stderr}`.trim();
  if (code !== 0 && /credentials not found/i.test(text)) return undefined;
  if (code !== 0) throw new Error(`error getting credentials - err: exit status ${code}, out: \`${text}\``);
  const { Username, Secret }: Record<string, unknown> = JSON.parse(stdout);
  if (typeof Username !== "string" || typeof Secret !== "string") return undefined;
  return { Username, Secret };
}

export async function storeCredentials(name: string, server: string, kept: StoredCredentials): Promise<void> {
  const { code, stdout, stderr } = await runProgram(
    name,
    "store",
    JSON.stringify({ ServerURL: server, ...kept }),
  );
  if (code !== 0)
    throw new Error(
      `error storing credentials - err: exit status ${code}, out: \`${`${stdout}${stderr}`.trim()}\``,
    );
}

/** The servers that docker-credential-NAME keeps credentials for. Throws when it cannot be run or fails. */
export async function listCredentials(name: string): Promise<string[]> {
  const { code, stdout, stderr } = await runProgram(name, "list", "");
  if (code !== 0)
    throw new Error(
      `error listing credentials - err: exit status ${code}, out: \`${`${stdout}${stderr}`.trim()}\``,
    );
  const value: unknown = JSON.parse(stdout);
  return typeof value === "object" && value !== null ? Object.keys(value) : [];
}

export async function eraseCredentials(name: string, server: string): Promise<void> {
  const { code, stdout, stderr } = await runProgram(name, "erase", server);
  const text = `${stdout}${stderr}`.trim();
  if (code !== 0 && !/credentials not found/i.test(text))
    throw new Error(`error erasing credentials - err: exit status ${code}, out: \`${text}\``);
}

async function runProgram(
  name: string,
  action: string,
  input: string,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const program = `docker-credential-${name}`;
  const child = spawn(program, [action], { stdio: "pipe" });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    stderr += String(chunk);
  });
  // A program may answer without having read its input.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once("error", (error) =>
    reject(
      errnoOf(error) === "ENOENT"
        ? new Error(
            `error getting credentials - err: exec: "${program}": executable file not found in $PATH, out: \`\``,
          )
        : error,
    ),
  );
  child.once("close", resolve);
  return { code: await promise, stdout, stderr };
}
