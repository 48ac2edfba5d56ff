/** Files imported with `type: "file"`: the import is the path under which the compiled program finds them. */
declare module "*.tar" {
  const path: string;
  export default path;
}
declare module "*/gantry-shim" {
  const path: string;
  export default path;
}
