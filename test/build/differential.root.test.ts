import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Dockerd } from "../compat/dockerd.ts";
import { startDaemon, type TestDaemon } from "../harness/index.ts";
import { contextOf } from "./context.ts";

/** The same Dockerfiles built by Debian's dockerd and by Gantry, with the same client: file trees and configs are compared. */
let gantry: TestDaemon;
let docker: Dockerd;
let context: ReturnType<typeof contextOf>;

beforeAll(async () => {
  [gantry, docker] = [await startDaemon(), new Dockerd()];
  await docker.start();
  await docker.docker("load", "-i", join(import.meta.dirname, "../../dist/images/busybox.tar"));
  context = contextOf({
    a: "a",
    "b.txt": "b",
    "dir/c": "c",
    "dir/sub/d": "d",
    "dir/e.txt": "e",
    ".dockerignore": "ignored\n",
    ignored: "",
  });
}, 90_000);
afterAll(async () => {
  context[Symbol.dispose]();
  await docker[Symbol.asyncDispose]();
  await gantry[Symbol.asyncDispose]();
}, 60_000);

const CASES: Readonly<Record<string, string>> = {
  "files and folders":
    "COPY a /x\nCOPY a dir/c /y/\nCOPY dir /z\nCOPY dir /w/\nCOPY . /all/\nCOPY *.txt dir/s* /p/",
  "owners and archives":
    "RUN echo u:x:1000:1000::/:/bin/sh >>/etc/passwd && echo u:x:1000: >>/etc/group\nCOPY --chown=u a /1\nCOPY --chown=u:daemon dir /2\nCOPY --chown=5 a /3/4/5\nADD b.txt /6/",
  "working folders": "WORKDIR /a/b\nWORKDIR c\nCOPY a .\nCOPY a named\nRUN pwd >here\nWORKDIR /bin",
  "removed and renamed":
    "RUN mkdir -p /d/e && touch /d/e/f && rm /etc/group && mv /d /g\nRUN rm -r /g && mkdir /g && touch /g/new && rm -r /home && mkdir /home",
  "links and modes":
    "RUN ln -s /etc /l && touch /h && ln /h /i && chmod 4755 /h && mkdir -m 1777 /t\nCOPY a /l/through",
  variables:
    'ARG A=1\nARG B=${A}2\nENV C=$B D="x $C" E=\'$C\'\nENV F=${A:-no} G=${NONE:-yes} H=${A:+set}\nRUN echo $A $B $C $D $E >/v\nLABEL l=$C "m n"=o',
  commands: 'CMD a b\nENTRYPOINT ["x"]\nSHELL ["/bin/sh", "-ec"]\nCMD y z\nSTOPSIGNAL 9',
  "an entrypoint resets the command of its base": 'ENTRYPOINT ["x"]',
  "ports, volumes, health and triggers": `EXPOSE 80 81/udp 90-92
VOLUME /v /w
VOLUME ["/a b"]
USER 1:2
MAINTAINER me
HEALTHCHECK NONE
HEALTHCHECK --interval=1m --timeout=2s --retries=4 --start-period=5s CMD curl x
ONBUILD RUN touch /triggered
ONBUILD COPY a /`,
};

/** Everything but what the engines put there themselves, and times. */
const LISTING = `find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /.dockerenv -o -path /etc/mtab -o -path /etc/hosts -o -path /etc/hostname -o -path /etc/resolv.conf \\) -prune -o -exec stat -c '%n %A %u:%g %h %N' {} +; find / -xdev -type f ! -path '/bin/*' ! -path '/proc/*' ! -path '/sys/*' ! -path /etc/hosts ! -path /etc/hostname ! -path /etc/resolv.conf -exec md5sum {} +`;

type Engine = Pick<TestDaemon, "docker">;

async function outcome(engine: Engine, dockerfile: string) {
  writeFileSync(join(context.path, "Dockerfile"), `FROM busybox\n${dockerfile}\n`);
  const built = await engine.docker(
    { env: { DOCKER_BUILDKIT: "0" }, limitMs: 60_000 },
    ...["build", "-q", "-t", "it", context.path],
  );
  expect(built.stderr + built.stdout).toMatch(/sha256:[0-9a-f]{64}/);
  const config = JSON.parse((await engine.docker("inspect", "-f", "{{json .Config}}", "it")).stdout);
  const listed = await engine.docker(
    "run",
    "--rm",
    "--no-healthcheck",
    "--user",
    "0",
    "--entrypoint",
    "sh",
    "it",
    "-c",
    LISTING,
  );
  const lines = listed.stdout.split("\n").sort();
  return { files: lines.filter((line) => !/^'?\/ |^\/ /.test(line)), config: known(config) };
}

/** What images state; the rest is the engine's filling. */
function known(config: Record<string, unknown>) {
  const keys = [
    "User",
    "ExposedPorts",
    "Env",
    "Cmd",
    "Entrypoint",
    "Volumes",
    "Labels",
    "StopSignal",
    "Healthcheck",
    "OnBuild",
    "Shell",
  ];
  const filled = keys
    .map((key) => [key, config[key] ?? null] as const)
    .filter(([, value]) => value !== null && JSON.stringify(value) !== "{}" && value !== "");
  // "" and "/" are one.
  return { ...Object.fromEntries(filled), WorkingDir: config.WorkingDir || "/" };
}

describe("built by Docker and by Gantry alike", () => {
  test.each(Object.entries(CASES))(
    "%s",
    async (_name, dockerfile) => {
      const [theirs, ours] = [await outcome(docker, dockerfile), await outcome(gantry, dockerfile)];
      expect(ours).toEqual(theirs);
    },
    90_000,
  );
});
