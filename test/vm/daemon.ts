import { inGuest } from "./guest.ts";

const HOST = "unix:///run/gantry.sock";
/** Both clients find the daemon by these. */
const ENVIRONMENT = `export DOCKER_HOST=${HOST} GANTRY_HOST=${HOST}\n`;

/** A script with a daemon to talk to: every command of it has to work. Gives what it printed. */
export const withDaemon = (script: string): Promise<string> => inGuest(ENVIRONMENT + script);

/**
 * Start the daemon as a service, as README.md has it, and wait until it listens. The version under test is copied to where an
 * administrator would have it.
 */
export async function startDaemon(options = ""): Promise<void> {
  await inGuest(`
    cmp -s /dist/gantry /usr/local/bin/gantry || install /dist/gantry /usr/local/bin/gantry
    rm -f /run/ready; mkfifo /run/ready
    cat >/run/systemd/system/gantry.service <<'END'
[Service]
ExecStart=/bin/bash -c 'exec 3>/run/ready; exec gantry daemon ${options}'
Environment=GANTRY_READY_FD=3
KillMode=process
Delegate=yes
END
    systemctl daemon-reload
    systemctl start gantry
    [ -n "$(head -c 1 /run/ready | od -An -tx1)" ] || { journalctl -u gantry --no-pager -n 20; exit 1; }`);
}

/** As a crash does. */
export const killDaemon = (): Promise<string> =>
  inGuest(`
    pid=$(systemctl show -p MainPID --value gantry)
    kill -KILL "$pid"
    tail --pid="$pid" -f /dev/null`);

/** Containers, daemon, and what the daemon leaves in the kernel. */
export async function removeDaemon(options = ""): Promise<void> {
  await withDaemon(`
    ids=$(docker ps -aq)
    [ -z "$ids" ] || docker rm -f -v $ids >/dev/null
    docker volume prune -af >/dev/null
    systemctl stop gantry
    gantry daemon --teardown ${options}`);
}
