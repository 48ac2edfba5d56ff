import { expect, test } from "bun:test";
import { foreignBridges } from "./foreign-bridges.ts";

test("bridges of other engines are those that their chains filter packets to", () => {
  const filter = `:FORWARD DROP [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -o eth0 -j ACCEPT
-A DOCKER-BRIDGE -o br-new -j DOCKER
-A OTHER-FORWARD -o other0 -j DROP
-A GT-FORWARD -o gt0 -j DROP
-A OTHER-FORWARD -o gt1 -j DROP
`;
  expect(foreignBridges(filter, "GT-FORWARD", ["gt0", "gt1"])).toEqual(["br-new", "docker0", "other0"]);
});
