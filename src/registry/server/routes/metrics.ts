import { sendBytes } from "../http/exchange.ts";
import type { Registry } from "../registry.ts";
import type { Routes } from "./route.ts";

/** GET /metrics, for Prometheus. Names of repositories are not in it, so it needs no right. */
export function metricsRoutes({ storage, metrics }: Registry): Routes {
  return {
    GET: {
      access: "anybody",
      run(exchange) {
        const { blobs, blobBytes, manifests, manifestBytes, uploadBytes } = storage.quota.usage();
        const text = metrics.text({
          blobs: ["Blobs stored.", blobs],
          blob_bytes: ["Bytes of all blobs.", blobBytes],
          manifests: ["Manifests stored.", manifests],
          manifest_bytes: ["Bytes of all manifests.", manifestBytes],
          repositories: ["Repositories.", storage.repositories.count()],
          tags: ["Tags.", storage.manifests.countTags()],
          uploads: ["Uploads under way.", storage.uploads.count],
          upload_bytes: ["Bytes of uploads under way.", uploadBytes],
          ...(storage.quota.limitBytes === undefined
            ? {}
            : { quota_bytes: ["Storage quota.", storage.quota.limitBytes] as const }),
        });
        sendBytes(exchange, 200, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" }, text);
      },
    },
  };
}
