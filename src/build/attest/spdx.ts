import { createHash } from "node:crypto";
import { ENGINE_VERSION } from "../../wire/index.ts";
import type { Package } from "./packages/package.ts";
import type { Inventory } from "./packages/scan.ts";

export const SPDX_TYPE = "https://spdx.dev/Document";

const LICENSE = /^[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*$/;

/** An SPDX 2.3 document (ISO/IEC 5962) of what is in an image. The same inventory and time give the same document. */
export function spdxDocument(
  { packages, unread }: Inventory,
  { name, imageId, createdAt }: { name: string; imageId: string; createdAt: string },
): object {
  const root = "SPDXRef-DocumentRoot-Image";
  const items = packages.map((one) => ({ id: idOf(one), one }));
  const unreadNote = unread.map((path) => `The package database ${path} was found and not read.`).join(" ");
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name,
    documentNamespace: `urn:gantry:sbom:${imageId}`,
    creationInfo: {
      created: createdAt,
      creators: [`Tool: gantry-${ENGINE_VERSION}`],
      ...(unreadNote === "" ? {} : { comment: unreadNote }),
    },
    packages: [
      {
        SPDXID: root,
        name,
        versionInfo: imageId,
        downloadLocation: "NOASSERTION",
        filesAnalyzed: false,
        primaryPackagePurpose: "CONTAINER",
      },
      ...items.map(({ id, one }) => ({
        SPDXID: id,
        name: one.name,
        versionInfo: one.version,
        downloadLocation: "NOASSERTION",
        filesAnalyzed: false,
        sourceInfo: `found in /${one.foundIn}`,
        licenseConcluded: "NOASSERTION",
        licenseDeclared: LICENSE.test(one.license) ? one.license : "NOASSERTION",
        copyrightText: "NOASSERTION",
        externalRefs: [
          { referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: one.purl },
        ],
      })),
    ],
    relationships: [
      { spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: root },
      ...items.map(({ id }) => ({
        spdxElementId: root,
        relationshipType: "CONTAINS",
        relatedSpdxElement: id,
      })),
    ],
  };
}

/** Letters, digits, dots and dashes alone; the digest tells apart what is installed twice. */
function idOf({ name, purl, foundIn }: Package): string {
  const digest = createHash("sha256").update(`${purl} ${foundIn}`).digest("hex").slice(0, 16);
  return `SPDXRef-Package-${name.replaceAll(/[^A-Za-z0-9.-]/g, "-")}-${digest}`;
}
