/** One frame of a multiplexed stream: 1 = stdout, 2 = stderr (Engine API, ContainerAttach, stream format). */
export interface Frame {
  readonly stream: number;
  readonly bytes: Uint8Array;
}

const HEADER = 8;

/** Take frames apart as their bytes come; a frame may arrive in several pieces. Throws on a broken stream. */
export async function* readFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  const header = new Uint8Array(HEADER);
  let have = 0;
  let left = 0;
  for await (const bytes of source) {
    for (let at = 0; at < bytes.length; ) {
      if (left > 0) {
        const part = bytes.subarray(at, at + left);
        left -= part.length;
        at += part.length;
        yield { stream: header[0] ?? 0, bytes: part };
        continue;
      }
      const part = bytes.subarray(at, at + HEADER - have);
      header.set(part, have);
      have += part.length;
      at += part.length;
      if (have < HEADER) continue;
      if ((header[0] ?? 0) > 3) throw new Error(`unrecognized stream: ${header[0]}`);
      left = new DataView(header.buffer).getUint32(4);
      have = 0;
    }
  }
  if (have > 0 || left > 0) throw new Error("the stream was cut within a frame");
}
