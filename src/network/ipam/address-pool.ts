import { conflict, forbidden } from "../../errors/index.ts";
import { formatPrefix, type IpAddress, type IpPrefix, prefixSize } from "../../units/index.ts";

/** Hands out addresses of a subnet one after the other, coming back to released ones only at the end of the range. */
export class AddressPool {
  readonly #used = new Set<bigint>();
  #last: bigint;

  /** `range` is the part that addresses are chosen from; `reserved` ones never are. */
  constructor(
    readonly subnet: IpPrefix,
    private readonly range: IpPrefix,
    private readonly reserved: ReadonlySet<bigint>,
  ) {
    this.#last = range.base - 1n;
  }

  /** Take a certain address. Throws forbidden when it is taken. */
  take({ value }: IpAddress): void {
    if (this.#used.has(value) || this.reserved.has(value) || this.#isEdge(value))
      throw forbidden("Address already in use");
    this.#used.add(value);
  }

  /** Note an address that rows say is in use. */
  restore({ value }: IpAddress): void {
    this.#used.add(value);
    if (value >= this.range.base && value < this.range.base + prefixSize(this.range) && value > this.#last)
      this.#last = value;
  }

  /** The next free address. Throws conflict when there is none. */
  allocate(): IpAddress {
    const size = prefixSize(this.range);
    const { family } = this.subnet;
    // After as many steps as there are taken addresses, one of them was free.
    const limit = BigInt(this.#used.size + this.reserved.size + 3);
    for (let step = 1n; step <= size && step <= limit; step++) {
      const value = this.range.base + ((this.#last - this.range.base + step + size) % size);
      if (this.#used.has(value) || this.reserved.has(value) || this.#isEdge(value)) continue;
      this.#used.add(value);
      this.#last = value;
      return { family, value };
    }
    throw conflict(
      `no available IPv${family} addresses on this network's address pools: ${formatPrefix(this.subnet)}`,
    );
  }

  release({ value }: IpAddress): void {
    this.#used.delete(value);
  }

  /** The network's own address, and the one for everybody; subnets of two have neither (RFC 3021, RFC 6164). */
  #isEdge(value: bigint): boolean {
    const size = prefixSize(this.subnet);
    if (size <= 2n) return false;
    return value === this.subnet.base || (this.subnet.family === 4 && value === this.subnet.base + size - 1n);
  }
}
