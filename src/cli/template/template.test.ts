import { describe, expect, test } from "bun:test";
import { compileTemplate } from "./index.ts";

const value = {
  Name: "/web",
  State: { Running: true, ExitCode: 0, Pid: 42 },
  Config: { Env: ["A=1", "B=2"], Labels: { b: "2", a: "1" }, Cmd: null },
  Ports: { "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }], "90/tcp": null },
  Label: (name: unknown) => `label ${name}`,
};

describe("a template", () => {
  test.each([
    ["plain", "plain"],
    ["{{.Name}}", "/web"],
    ["{{.State.Pid}} {{ .State.Running }}", "42 true"],
    ["{{json .Config.Env}}", '["A=1","B=2"]'],
    ["{{.Config.Env}} {{.Config.Labels}} {{.Config.Cmd}}", "[A=1 B=2] map[a:1 b:2] <no value>"],
    ['{{join .Config.Env ", "}}', "A=1, B=2"],
    ["{{range .Config.Env}}<{{.}}>{{end}}", "<A=1><B=2>"],
    ["{{range $i, $e := .Config.Env}}{{$i}}={{$e}};{{end}}", "0=A=1;1=B=2;"],
    ["{{range $k, $v := .Config.Labels}}{{$k}}{{$v}} {{end}}", "a1 b2 "],
    ['{{(index (index .Ports "80/tcp") 0).HostPort}}', "8080"],
    ['{{with index .Ports "80/tcp"}}{{(index . 0).HostIp}}{{else}}none{{end}}', "0.0.0.0"],
    ['{{with index .Ports "90/tcp"}}some{{else}}none{{end}}', "none"],
    ["{{if and .State.Running (eq .State.ExitCode 0)}}up{{else if .Name}}named{{else}}down{{end}}", "up"],
    ["{{if not .State.Running}}down{{else}}up{{end}}", "up"],
    ['{{.Name | upper | printf "%8s|"}}', "    /WEB|"],
    ['{{printf "%-5s%03d %q %.2f%%" "ab" 7 "x" 1.5}}', 'ab   007 "x" 1.50%'],
    ["{{slice .Name 1}} {{len .Config.Env}} {{truncate .Name 2}}", "web 2 /w"],
    ["a {{- .Name -}} b", "a/webb"],
    ["{{/* a comment */}}x", "x"],
    ["{{$x := .State}}{{$x.Pid}} {{$.Name}}", "42 /web"],
    ['{{.Label "k"}}', "label k"],
    ['{{println .Name "x"}}', "/web x\n"],
    ['{{"}}"}}{{`raw`}}', "}}raw"],
  ])("%s", (source, expected) => {
    expect(compileTemplate(source).render(value)).toBe(expected);
  });

  test.each([
    ["{{.Nope}}", 'map has no entry for key "Nope"'],
    ["{{.State.Nope.More}}", 'map has no entry for key "Nope"'],
    ["{{index .Config.Env 9}}", "index out of range"],
    ["{{", "unclosed action"],
    ["{{nope .}}", 'function "nope" not defined'],
    ["{{range .}}", "unexpected EOF"],
    ["{{end}}", "unexpected {{end}}"],
    ["{{.Name", "unclosed action"],
    ["{{.A )}}", "unexpected )"],
    ["{{}}", "missing value for command"],
    ["{{$y}}", 'undefined variable "$y"'],
  ])("%s is refused", (source, words) => {
    expect(() => compileTemplate(source).render(value)).toThrow(words);
  });
});
