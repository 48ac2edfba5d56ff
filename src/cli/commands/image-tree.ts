import type { EngineClient } from "../../client/index.ts";
import { humanSize } from "../../units/index.ts";
import type { ImageInspect, ImageSummary } from "../../wire/index.ts";
import { print } from "../output/print.ts";
import { shortId } from "../output/words.ts";
import { segment } from "./each.ts";

interface Node {
  /** diffIDs from the node above to this one: a run that no other image leaves. */
  layers: string[];
  readonly images: ImageSummary[];
  readonly children: Map<string, Node>;
}

const nodeOf = (layers: string[]): Node => ({ layers, images: [], children: new Map() });

/** Images as a tree of their layers: what stands on common layers stands below them. */
export async function printTree(client: EngineClient, images: readonly ImageSummary[]): Promise<void> {
  const root = nodeOf([]);
  for (const image of images) {
    const { RootFS } = await client.json<ImageInspect>("GET", `/images/${segment(image.Id)}/json`);
    let at = root;
    for (const layer of RootFS.Layers) {
      const next = at.children.get(layer) ?? nodeOf([layer]);
      at.children.set(layer, next);
      at = next;
    }
    at.images.push(image);
  }
  await print(
    [...root.children.values()]
      .map(joined)
      .flatMap((node) => lines(node, "", ""))
      .join(""),
  );
}

/** A node with an only child and no image of its own is drawn as one with it. */
function joined(node: Node): Node {
  const children = [...node.children.values()].map(joined);
  const [only] = children;
  if (only !== undefined && children.length === 1 && node.images.length === 0) {
    return { ...only, layers: [...node.layers, ...only.layers] };
  }
  return { ...node, children: new Map(children.map((child) => [child.layers[0] ?? "", child])) };
}

function lines({ layers, images, children }: Node, head: string, indent: string): string[] {
  const last = layers.at(-1) ?? "";
  const count = layers.length === 1 ? "" : ` (${layers.length} layers)`;
  const names = images.map(
    ({ Id, RepoTags, Size }) =>
      `${RepoTags.length === 0 ? shortId(Id) : RepoTags.join(", ")} ${humanSize(Size, 3)}`,
  );
  const title = `${head}${shortId(last)}${count}${names.length === 0 ? "" : `  ${names.join("; ")}`}\n`;
  const below = [...children.values()];
  return [
    title,
    ...below.flatMap((child, at) =>
      at === below.length - 1
        ? lines(child, `${indent}└─ `, `${indent}   `)
        : lines(child, `${indent}├─ `, `${indent}│  `),
    ),
  ];
}
