/** A port of the host that leads to a container. */
export interface PublishedPort {
  /** "0.0.0.0" for every address of the host. */
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly protocol: "tcp" | "udp";
  readonly containerAddress: string;
  readonly containerPort: number;
}

/**
 * The engine's packet rules: containers reach out behind the host's address, published ports lead in, everything else
 * from outside is dropped. All of it lives under the engine's own name and nothing else is touched.
 */
export interface Firewall {
  /** Put the whole rule set in place of whatever is there, in one step. Safe to repeat. */
  replace(ports: readonly PublishedPort[]): Promise<void>;
  publish(ports: readonly PublishedPort[]): Promise<void>;
  withdraw(ports: readonly PublishedPort[]): Promise<void>;
  /** Remove every rule of the engine. */
  remove(): Promise<void>;
}
