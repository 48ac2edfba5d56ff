import { expect, test } from "bun:test";
import { compileTemplate } from "../template/index.ts";
import { withGoFields } from "./go-fields.ts";

/** As docker's client prints the same of an image with nothing but a folder, asked once. */
test.each([
  ["{{json .Config.Cmd}} {{.Config.Cmd}} {{len .Config.Cmd}}", "null [] 0"],
  ["{{json .Config.Labels}} {{.Config.Labels}}", "null map[]"],
  ["{{json .Config.Healthcheck}} {{.Config.Healthcheck}}", "null <nil>"],
  ["[{{.Config.User}}] {{.Config.ArgsEscaped}}", "[] false"],
  ["{{.Config.Entrypoint}} {{with .Config.Volumes}}some{{else}}none{{end}}", "[] none"],
  ["{{json .Config}}", '{"WorkingDir":"/","Entrypoint":null}'],
])("%s", (source, printed) => {
  const image = { Config: { WorkingDir: "/", Entrypoint: null } };
  expect(compileTemplate(source).render(withGoFields(image))).toBe(printed);
});

test("what has no Config is left as it is", () => {
  expect(withGoFields({ Name: "volume" })).toEqual({ Name: "volume" });
});
