/** Apart from the rest of the folder, whose modules (node:crypto above all) would double the start of a client. */
export { type ByteChannel, type ChannelAddress, connectChannel, type TlsOptions } from "./byte-channel.ts";
