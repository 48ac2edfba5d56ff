import { expect, test } from "bun:test";
import { variablesOf } from "./links.ts";

test("a link tells ports, ranges of them, the link's name and the other's environment", () => {
  const variables = variablesOf({
    name: "/me/my-db",
    alias: "my-db",
    address: "10.0.0.2",
    ports: ["100/udp", "82/tcp", "80/tcp", "101/udp", "81/tcp", "90/tcp"],
    environment: ["PATH=/bin", "HOME=/root", "FOO=a=b"],
  });
  expect(variables.slice(0, 9)).toEqual([
    "MY_DB_PORT=tcp://10.0.0.2:80",
    "MY_DB_PORT_80_TCP_START=tcp://10.0.0.2:80",
    "MY_DB_PORT_80_TCP_PORT_START=80",
    "MY_DB_PORT_80_TCP_END=tcp://10.0.0.2:82",
    "MY_DB_PORT_80_TCP_PORT_END=82",
    "MY_DB_PORT_80_TCP=tcp://10.0.0.2:80",
    "MY_DB_PORT_80_TCP_ADDR=10.0.0.2",
    "MY_DB_PORT_80_TCP_PORT=80",
    "MY_DB_PORT_80_TCP_PROTO=tcp",
  ]);
  // Two in a row are no range.
  expect(variables.filter((entry) => entry.includes("_START"))).toHaveLength(2);
  expect(variables).toContain("MY_DB_PORT_101_UDP=udp://10.0.0.2:101");
  expect(variables.slice(-2)).toEqual(["MY_DB_NAME=/me/my-db", "MY_DB_ENV_FOO=a=b"]);
});

test("a link to a container without ports tells its name alone", () => {
  const none = { name: "/me/np", alias: "np", address: "10.0.0.2", ports: [], environment: [] };
  expect(variablesOf(none)).toEqual(["NP_NAME=/me/np"]);
});
