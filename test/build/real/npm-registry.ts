import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";

const NAME = "greeting";
const VERSION = "1.2.3";
const PATH = `/${NAME}/-/${NAME}-${VERSION}.tgz`;

/** A registry of npm packages on loopback, with one package. It ends when it is disposed. */
export interface NpmRegistry extends AsyncDisposable {
  readonly address: string;
  /** A package-lock.json for an application that depends on the package. */
  readonly lock: string;
  /** How often the package was fetched. */
  readonly fetched: () => number;
}

export async function startNpmRegistry(): Promise<NpmRegistry> {
  const tarball = await makePackage();
  let fetched = 0;
  const server = createServer((request, response) => {
    const isKnown = request.url === PATH;
    if (isKnown) fetched++;
    response.writeHead(isKnown ? 200 : 404).end(isKnown ? tarball : "");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lock: lockOf(tarball),
    fetched: () => fetched,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function makePackage(): Promise<Buffer> {
  const tar = pack();
  const manifest = { name: NAME, version: VERSION, main: "index.js", license: "MIT" };
  tar.entry({ name: "package/package.json" }, JSON.stringify(manifest));
  tar.entry({ name: "package/index.js" }, 'module.exports = (whom) => "hello, " + whom;\n');
  tar.finalize();
  return gzipSync(await buffer(tar));
}

/** Of format 3, as npm 7 and later write it; npm puts the registry that it is told of in place of the address. */
function lockOf(tarball: Uint8Array): string {
  const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
  return JSON.stringify({
    name: "app",
    lockfileVersion: 3,
    requires: true,
    packages: {
      "": { name: "app", dependencies: { [NAME]: VERSION } },
      [`node_modules/${NAME}`]: { version: VERSION, resolved: `http://registry.invalid${PATH}`, integrity },
    },
  });
}
