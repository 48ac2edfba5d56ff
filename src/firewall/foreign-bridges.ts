/**
 * Bridges that another engine filters packets to, found in the rules of its chains: "-o docker0 -j DOCKER", and
 * "-o br-… -j DROP". What our containers send there is that engine's to judge, so a chain of ours that is asked before
 * its must not let it through. `ownChain` and `ownBridges` are left out.
 */
export function foreignBridges(
  filter: string,
  ownChain: string,
  ownBridges: readonly string[],
): readonly string[] {
  const found = new Set<string>();
  for (const [, chain = "", bridge = ""] of filter.matchAll(/^-A (\S+) -o (\S+) -j (?:DOCKER|DROP)$/gm))
    if (chain !== ownChain && !ownBridges.includes(bridge)) found.add(bridge);
  return [...found].sort();
}
