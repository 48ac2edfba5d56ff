import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where version 2 of control groups has controllers beside version 1, crun refuses to work: here it does not see that. */
const INSIDE = `#!/bin/sh
umount -l /sys/fs/cgroup/unified 2>/dev/null
exec /usr/bin/crun "$@"
`;

/** A crun that works on this machine, as a program in `folder`. Gives its path. */
export function installCrun(folder: string): string {
  const program = join(folder, "crun");
  writeFileSync(join(folder, "crun-inside"), INSIDE, { mode: 0o755 });
  writeFileSync(program, `#!/bin/sh\nexec unshare -m ${folder}/crun-inside "$@"\n`, { mode: 0o755 });
  return program;
}
