/** Netlink families that the engine speaks (netlink(7)). */
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_BRIDGE = 7;
export const AF_INET6 = 10;

/** Index of the loopback interface in every network namespace. */
export const LOOPBACK_INDEX = 1;
