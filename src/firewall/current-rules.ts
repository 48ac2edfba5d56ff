import type { FilteredNetwork, OpenPort, PublishedPort, RuleSet } from "./firewall.ts";

export const publishedKey = ({ family, hostAddress, hostPort, protocol }: PublishedPort): string =>
  `${family} ${hostAddress} ${hostPort} ${protocol}`;
export const openKey = ({ family, containerAddress, containerPort, protocol }: OpenPort): string =>
  `${family} ${containerAddress} ${containerPort} ${protocol}`;

/** The rule set as it is to be at this moment, kept so that it can be put back as a whole. */
export class CurrentRules implements RuleSet {
  readonly #networks = new Map<string, FilteredNetwork>();
  readonly #published = new Map<string, PublishedPort>();
  readonly #open = new Map<string, OpenPort>();

  get networks(): FilteredNetwork[] {
    return [...this.#networks.values()];
  }

  get published(): PublishedPort[] {
    return [...this.#published.values()];
  }

  get open(): OpenPort[] {
    return [...this.#open.values()];
  }

  set({ networks, published, open }: RuleSet): void {
    this.#networks.clear();
    this.#published.clear();
    this.#open.clear();
    for (const network of networks) this.addNetwork(network);
    this.add(published, open);
  }

  addNetwork(network: FilteredNetwork): void {
    this.#networks.set(network.bridge, network);
  }

  removeNetwork(bridge: string): FilteredNetwork | undefined {
    const network = this.#networks.get(bridge);
    this.#networks.delete(bridge);
    return network;
  }

  add(published: readonly PublishedPort[], open: readonly OpenPort[]): void {
    for (const port of published) this.#published.set(publishedKey(port), port);
    for (const port of open) this.#open.set(openKey(port), port);
  }

  remove(published: readonly PublishedPort[], open: readonly OpenPort[]): void {
    for (const port of published) this.#published.delete(publishedKey(port));
    for (const port of open) this.#open.delete(openKey(port));
  }
}
