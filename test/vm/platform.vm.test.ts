import { afterAll, beforeAll, expect, test } from "bun:test";
import { removeDaemon, startDaemon, withDaemon } from "./daemon.ts";
import { inGuest, tryIn } from "./guest.ts";

/** A machine that has an emulator for the programs of another processor (Debian's qemu-user-static). */
beforeAll(async () => {
  await startDaemon();
  const dockerfile = [
    "FROM scratch",
    "COPY bin/busybox /bin/busybox",
    'RUN ["/bin/busybox", "--install", "-s", "/bin"]',
    "ARG TARGETARCH BUILDARCH",
    "RUN uname -m >/machine && echo $TARGETARCH on $BUILDARCH >>/machine",
    'CMD ["cat", "/machine"]',
  ];
  await inGuest(`cat >/opt/arm64/Dockerfile <<'END'\n${dockerfile.join("\n")}\nEND`);
});
afterAll(() => removeDaemon());

const BUILD = "gantry build --progress plain --platform linux/arm64 -t other";
const EMULATOR = "/proc/sys/fs/binfmt_misc/qemu-aarch64";

test("steps for another processor are run by the emulator that is registered, and so are containers", async () => {
  expect(await inGuest(`head -n 1 ${EMULATOR}`)).toBe("enabled");
  await withDaemon(`${BUILD} /opt/arm64`);
  expect(await withDaemon("docker inspect -f '{{.Os}}/{{.Architecture}}' other")).toBe("linux/arm64");
  const run = "run --rm --platform linux/arm64 other";
  expect(await withDaemon(`docker ${run}`)).toBe("aarch64\narm64 on amd64");
  expect(await withDaemon(`gantry ${run} sh -c 'cat /machine; uname -m'`)).toBe(
    "aarch64\narm64 on amd64\naarch64",
  );
});

test("without it a build says before its first step what is missing", async () => {
  await inGuest(`echo 0 >${EMULATOR}`);
  const { stderr, exitCode } = await tryIn(`${BUILD} --no-cache /opt/arm64`);
  await inGuest(`echo 1 >${EMULATOR}`);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("cannot run programs for linux/arm64 on this machine: no emulator is registered");
  expect(stderr).not.toMatch(/^#\d+ \[/m);
});
