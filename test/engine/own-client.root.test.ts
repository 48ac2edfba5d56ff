import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  dockerIsSince,
  dockerVersion,
  type Finished,
  startDaemon,
  type TestDaemon,
} from "../harness/index.ts";

/** Gantry's own client prints what the docker CLI prints for the same daemon, and ends with the same exit codes. */
let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await daemon.docker(
    "run",
    "-d",
    "--name",
    "up",
    "-p",
    "127.0.0.1::80",
    "-v",
    "vol:/v",
    "busybox",
    "sleep",
    "1d",
  );
  await daemon.docker("run", "--name", "ended", "--label", "a=b", "busybox", "sh", "-c", "echo out; exit 3");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const TIME = /(Less than a second|About a minute|\d+ (second|minute)s?)( ago)? */g;

/** Flags by the major version of docker that is the first to know them. */
const SINCE: readonly [major: number, flag: RegExp][] = [
  [23, /--format json|-f json/],
  [23, /--quiet\b/],
  [28, /--platform/],
];
const isUnderstood = (line: string) =>
  SINCE.every(([major, flag]) => dockerIsSince(major) || !flag.test(line));

/**
 * What a client said, with its own name and times that pass taken out. The words in which a client refuses are those of
 * docker 28; of an older one its output and exit code are compared.
 */
function said({ stdout, stderr, exitCode }: Finished): string {
  const text = `${stdout}${dockerIsSince(28) ? stderr : ""}exit code ${exitCode}`;
  return (
    text
      // An older client asks for a version of the API that has it.
      .replace(/,\s*"VirtualSize": \d+/, "")
      .replaceAll("docker", "gantry")
      .replace(TIME, "SOON ")
      .replace(/(CREATED|STATUS) +/g, "$1 ")
  );
}

const LINES: Readonly<Record<string, readonly string[]>> = {
  lists: [
    "ps",
    "ps -a",
    "ps -as --no-trunc",
    "ps -aq",
    "ps -l",
    "ps -a --format 'table {{.Names}}\\t{{.Status}}\\t{{.Ports}}'",
    "ps -a --format '{{.ID}} {{.Names}} {{.Image}} {{.Command}} {{.CreatedAt}} {{.Ports}} {{.State}} {{.Size}} {{.Labels}} {{.Label \"a\"}} {{.Mounts}} {{.Networks}} {{.LocalVolumes}}'",
    "ps -f bogus=x",
    "ps -f name=up -f status=running -q",
    "ps --bogus",
    "ps x",
    "images",
    "images --digests --no-trunc",
    "images --format json",
    "images --format 'table {{.Repository}}\\t{{.Size}}'",
    "images nosuch",
    "history busybox",
    "history -q --no-trunc busybox",
    "history nope",
    "events --since 1h --until 0s --filter container=ended",
    "events --since 1h --until 0s --filter type=volume --format json",
    "events --filter bogus=x",
    "container ls -aq",
    "image ls -q",
  ],
  inspect: [
    "inspect ended",
    "inspect busybox",
    "inspect up ended nope -f '{{.Name}}'",
    "inspect -f '{{json .Config.Cmd}} {{range .Mounts}}{{.Name}}:{{.Destination}} {{end}}{{index .Config.Env 0}}' up",
    "inspect -f '{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}' up",
    "inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{$v.IPAddress}}{{end}}' up",
    'inspect -f \'{{if eq .State.Status "running"}}yes{{else}}no{{end}} {{len .Mounts}} {{join .Args ","}}\' up',
    "inspect -f json ended",
    "inspect --type image up",
    "inspect -s -f '{{.SizeRw}}' ended",
    "image inspect nope",
    "image inspect --platform linux/amd64 -f '{{.Id}}' busybox",
    "image inspect --platform linux/arm64 busybox",
    "history --platform linux/arm64 busybox",
    "rmi --platform linux/arm64 busybox",
    "container inspect nope",
    "version -f '{{.Server.Version}}'",
    "info -f '{{.OSType}} {{.Driver}}'",
  ],
  running: [
    "logs -t ended",
    "logs -n 0 ended",
    "logs nope",
    "logs",
    "wait ended",
    "wait nope",
    "exec up sh -c 'echo out; echo err >&2; exit 9'",
    "exec up nosuch",
    "exec up",
    "exec nope true",
    "exec -t up tty",
    "exec -it up tty",
    "exec -w /tmp -e A=b -u nobody up sh -c 'pwd; echo $A; id -u'",
    "run --rm busybox sh -c 'echo hi; exit 4'",
    "run --rm busybox nosuch",
    "run --rm busybox /etc/passwd",
    "run --rm -u nouser busybox true",
    "start nope",
    "start ended nope",
    "start -a ended",
    "stop ended nope",
    "kill ended",
    "kill -s BOGUS up",
    "attach ended",
    "attach nope",
    "top up",
    "cp --quiet=false /etc/hostname up:/tmp/hostname",
    "cp --quiet=false up:/bin/. /nosuch/there",
  ],
  refusals: [
    "run",
    "run --bogus busybox",
    "run --rm -it busybox true",
    "run --rm -p 99999:80 busybox true",
    "run --rm -p 80:x busybox true",
    "run --rm -v a:b:c:d busybox true",
    "run --rm --mount type=foo busybox true",
    "run --rm -m bogus busybox true",
    "run --rm --cpus bogus busybox true",
    "run --rm --ulimit bogus busybox true",
    "run --rm --env-file /nope busybox true",
    "run --rm --network container:nope busybox true",
    "run --rm UPPER true",
    "run --rm --pull never nosuch true",
    "run --rm --restart always busybox true",
    "run -d --rm -a stdout busybox true",
    "run --rm -w rel busybox true",
    "create",
    "create --name up busybox",
    "rm nope",
    "rm up",
    "rm -f nope",
    "rm",
    "rename up ended",
    "rename up",
    "tag nope x:1",
    "tag busybox BAD",
    "tag busybox",
    "rmi nope",
    "save",
    "save nope",
    "load -i /nope",
    "load -i /etc/passwd",
    "import /nope",
    "bogus",
  ],
};

const LANES = 3;

/** Lines about the container that some of them start and stop go one after another. */
const laneOf = (line: string, at: number) =>
  /\b(start|stop|kill|attach|rm|wait)\b.* ?ended\b/.test(line) ? 0 : at % LANES;

describe("the same words and exit codes as the docker CLI", () => {
  for (const [title, all] of Object.entries(LINES)) {
    const lines = all.filter(isUnderstood);
    for (const line of all.filter((one) => !isUnderstood(one)))
      test.skip(`${title}, ${line}: docker ${dockerVersion()} does not know the flag`, () => undefined);
    test(title, async () => {
      const follow = async (lane: number) => {
        for (const line of lines.filter((text, at) => laneOf(text, at) === lane)) {
          const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(
            ([, quoted, plain]) => quoted ?? plain ?? "",
          );
          const theirs = said(await daemon.docker(...words));
          const ours = said(await daemon.gantry(...words));
          expect(`$ ${line}\n${ours}`.split("\n")).toEqual(`$ ${line}\n${theirs}`.split("\n"));
        }
      };
      await Promise.all(Array.from({ length: LANES }, (_, lane) => follow(lane)));
    }, 60_000);
  }
});
