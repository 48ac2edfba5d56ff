import type { BuildPlan } from "../plan/plan.ts";
import { formatPlatform, thisPlatform } from "../plan/platform.ts";
import type { BuildRequest, ProvenanceMode } from "../service.ts";

export const PROVENANCE_TYPE = "https://slsa.dev/provenance/v1";
/** What the fields of `externalParameters` mean is told in ARCHITECTURE.md. */
const BUILD_TYPE = "urn:gantry:build:dockerfile:v1";

export interface ProvenanceFacts {
  readonly request: BuildRequest;
  readonly plan: BuildPlan;
  readonly dockerfile: { readonly name: string; readonly text: string };
  /** Base images by name. */
  readonly images: readonly { readonly reference: string; readonly id: string }[];
  readonly imageId: string;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
}

/**
 * How an image was built (SLSA provenance v1). "min" has no values of arguments and no Dockerfile; secrets are in neither,
 * not even by name. With SOURCE_DATE_EPOCH the same build has the same provenance.
 */
export function provenance(facts: ProvenanceFacts, mode: ProvenanceMode): object {
  const { request, plan, dockerfile, images, imageId } = facts;
  const { source } = request;
  const time = (ms: number) =>
    new Date(plan.epochSeconds === undefined ? ms : plan.epochSeconds * 1000).toISOString();
  const args = Object.fromEntries([...request.buildArgs].filter(([, value]) => value !== undefined));
  return {
    buildDefinition: {
      buildType: BUILD_TYPE,
      externalParameters: {
        configSource: {
          path: request.dockerfile.startsWith(".gantry-") ? "Dockerfile" : dockerfile.name,
          ...(source.kind === "remote" ? { uri: withoutSecrets(source.url) } : {}),
        },
        request: {
          frontend: "dockerfile.v0",
          ...(request.target === "" ? {} : { target: request.target }),
          platform: formatPlatform(plan.platform),
          ...(mode === "max" ? { args, labels: request.labels } : {}),
        },
      },
      internalParameters: {
        builderPlatform: formatPlatform(thisPlatform()),
        ...(mode === "max"
          ? {
              dockerfile: Buffer.from(dockerfile.text).toString("base64"),
              steps: plan.steps.map(({ step, stage, line, text }) => ({ step, stage, line, text })),
            }
          : {}),
      },
      resolvedDependencies: images.map(({ reference, id }) => ({
        uri: `pkg:docker/${reference}`,
        digest: { sha256: id.replace(/^sha256:/, "") },
      })),
    },
    runDetails: {
      builder: { id: "urn:gantry:engine" },
      metadata: {
        invocationId: plan.epochSeconds === undefined ? `${imageId}@${facts.startedAtMs}` : imageId,
        startedOn: time(facts.startedAtMs),
        finishedOn: time(facts.finishedAtMs),
      },
    },
  };
}

/** A user name and password in an address are nobody else's. */
function withoutSecrets(address: string): string {
  return address.replace(/^([a-z+]+:\/\/)[^/@]*@/, "$1");
}
