/** A connected stream socket: bytes in both directions, each of which ends by itself. */
export interface ByteChannel extends AsyncDisposable {
  /** The next bytes; undefined when the other side has ended its direction. Rejects when the connection breaks. */
  read(): Promise<Uint8Array | undefined>;
  /** Put bytes back in front of what `read` gives next. */
  unread(bytes: Uint8Array): void;
  /** Resolves when the bytes have been handed to the kernel. Rejects when the connection breaks. */
  write(bytes: Uint8Array | string): Promise<void>;
  /** End our direction (half-close). */
  end(): void;
  close(): void;
}

export type ChannelAddress =
  | { readonly path: string }
  | { readonly host: string; readonly port: number; readonly tls?: TlsOptions };

/** Texts in PEM. */
export interface TlsOptions {
  /** Whom the server's certificate has to come from; undefined: anybody whom the machine trusts. */
  readonly ca?: string;
  /** The client's own certificate. */
  readonly cert?: string;
  readonly key?: string;
  /** Whether the server's certificate is looked at. */
  readonly rejectUnauthorized: boolean;
}
