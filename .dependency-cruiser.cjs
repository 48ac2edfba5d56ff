/** The layers of ARCHITECTURE.md: a file imports only from its own row or from rows below it, and never in a circle. */
const layers = [
  ["cli", "api"],
  ["daemon"],
  ["container", "image", "build", "network", "volume", "events"],
  [
    "runtime",
    "snapshot",
    "quota",
    "content",
    "registry",
    "archive",
    "dockerfile",
    "netlink",
    "firewall",
    "dns",
    "store",
  ],
  ["wire"],
  ["platform", "errors", "units", "log", "reference"],
];

const folders = (names) => `^src/(${names.join("|")})/`;

const upwards = layers.slice(1).map((row, at) => ({
  name: `layer-${row[0]}`,
  severity: "error",
  comment: `${row.join(", ")} may not import from the rows above`,
  from: { path: folders(row) },
  to: { path: folders(layers.slice(0, at + 1).flat()) },
}));

module.exports = {
  forbidden: [
    ...upwards,
    {
      name: "no-circle",
      severity: "error",
      comment: "files that need each other are one file, or miss a third",
      from: {},
      to: { circular: true },
    },
    {
      name: "front-door",
      severity: "error",
      comment: "another folder of src is imported through its index.ts only, so that its inside can change",
      from: { path: "^src/([^/]+)/" },
      to: { path: "^src/[^/]+/", pathNot: ["^src/$1/", "/index\\.ts$"] },
    },
    {
      name: "client-alone",
      severity: "error",
      comment: "the SDK runs without the engine: types and ground only",
      from: { path: "^src/client/" },
      to: { path: "^src/", pathNot: "^src/(client|wire|platform|errors|units|log|reference)/" },
    },
    {
      name: "bun-in-platform",
      severity: "error",
      comment: "another runtime stays possible: Bun's own modules are used in src/platform and in tests",
      from: { path: "^src/", pathNot: ["^src/(platform|store)/", "\\.test\\.ts$"] },
      to: { path: "^bun(:|$)" },
    },
    {
      name: "no-tests-in-product",
      severity: "error",
      comment: "the product does not need its tests",
      from: { path: "^src/", pathNot: "(\\.test|/testing)\\.ts$" },
      to: { path: "\\.test\\.ts$|/testing\\.ts$|^test/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { extensions: [".ts"] },
    builtInModules: { add: ["bun", "bun:test", "bun:sqlite"] },
  },
};
