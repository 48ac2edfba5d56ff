import { NETLINK_NETFILTER, watchNetlink } from "../netlink/index.ts";

const GROUP_NFTABLES = 7;
const SUBSYSTEM = 10;
const TYPE = {
  NEWTABLE: 0,
  DELTABLE: 2,
  NEWCHAIN: 3,
  DELCHAIN: 5,
  NEWRULE: 6,
  DELRULE: 8,
  NEWGEN: 15,
} as const;
const REMOVALS: ReadonlySet<number> = new Set([TYPE.DELTABLE, TYPE.DELCHAIN, TYPE.DELRULE]);
const CHANGES: ReadonlySet<number> = new Set([...REMOVALS, TYPE.NEWTABLE, TYPE.NEWCHAIN, TYPE.NEWRULE]);
const NFGENMSG_BYTES = 4;
const ATTRIBUTE_TABLE = 1;

/** What a transaction did last to a table: took something out of it, or put something in. */
export type TableChange = "removed" | "added";

/**
 * Hear of transactions on packet rules, those of iptables among them where it writes to the same tables of the kernel.
 * `heard` gets the tables that one transaction changed, by name; `lost` is called when some may have been missed.
 */
export function watchTables(
  shimPath: string,
  heard: (changes: ReadonlyMap<string, TableChange>) => void,
  lost: () => void,
): Disposable {
  let changes = new Map<string, TableChange>();
  return watchNetlink(
    shimPath,
    NETLINK_NETFILTER,
    [GROUP_NFTABLES],
    ({ type, body }) => {
      if (type >> 8 !== SUBSYSTEM) return;
      const kind = type & 0xff;
      // A transaction's last message is its number.
      if (kind === TYPE.NEWGEN) {
        const complete = changes;
        changes = new Map();
        heard(complete);
        return;
      }
      const name = CHANGES.has(kind) ? tableOf(body) : undefined;
      if (name !== undefined) changes.set(name, REMOVALS.has(kind) ? "removed" : "added");
    },
    lost,
  );
}

/** The first attribute of these messages is the table's name. */
function tableOf(body: Buffer): string | undefined {
  if (body.length < NFGENMSG_BYTES + 4 || body.readUInt16LE(NFGENMSG_BYTES + 2) !== ATTRIBUTE_TABLE)
    return undefined;
  const end = NFGENMSG_BYTES + body.readUInt16LE(NFGENMSG_BYTES);
  return body.toString("utf8", NFGENMSG_BYTES + 4, end - 1);
}
