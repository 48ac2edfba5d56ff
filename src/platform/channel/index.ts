/** Apart from the rest of the folder, whose modules (node:crypto above all) would double the start of a client. */
export { connectChannel } from "./byte-channel.ts";
export type { ByteChannel, ChannelAddress, TlsOptions } from "./channel.ts";
