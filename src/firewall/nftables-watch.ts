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
const ADDITIONS: ReadonlySet<number> = new Set([TYPE.NEWTABLE, TYPE.NEWRULE]);
const NFGENMSG_BYTES = 4;
const ATTRIBUTE_TABLE = 1;

/** The table in which iptables filters, whichever of its two variants writes to the kernel's tables. */
const IPTABLES_FILTER = "filter";

export interface TableListener {
  /** Rules were taken out of our table and none put in: our own transactions replace them as a whole. */
  removed(): void;
  /** Somebody changed what iptables filters. */
  filterChanged(): void;
}

/** Hear of transactions on packet rules. The kernel tells of every one; its last message is its number. */
export function watchTable(
  shimPath: string,
  table: string,
  { removed, filterChanged }: TableListener,
): Disposable {
  let missing = false;
  let filtered = false;
  return watchNetlink(
    shimPath,
    NETLINK_NETFILTER,
    [GROUP_NFTABLES],
    ({ type, body }) => {
      if (type >> 8 !== SUBSYSTEM) return;
      const kind = type & 0xff;
      if (kind === TYPE.NEWGEN) {
        if (missing) removed();
        else if (filtered) filterChanged();
        missing = filtered = false;
        return;
      }
      const isRemoval = REMOVALS.has(kind);
      const isAddition = ADDITIONS.has(kind);
      if (!isRemoval && !isAddition && kind !== TYPE.NEWCHAIN) return;
      const name = tableOf(body);
      if (name === IPTABLES_FILTER) filtered = true;
      if (name === table && (isRemoval || isAddition)) missing = isRemoval;
    },
    removed,
  );
}

/** The first attribute of these messages is the table's name. */
function tableOf(body: Buffer): string | undefined {
  if (body.length < NFGENMSG_BYTES + 4 || body.readUInt16LE(NFGENMSG_BYTES + 2) !== ATTRIBUTE_TABLE)
    return undefined;
  const end = NFGENMSG_BYTES + body.readUInt16LE(NFGENMSG_BYTES);
  return body.toString("utf8", NFGENMSG_BYTES + 4, end - 1);
}
