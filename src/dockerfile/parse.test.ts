import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EngineError } from "../errors/index.ts";
import {
  DockerfileError,
  excerpt,
  findStage,
  type Instruction,
  parseDockerfile,
  parseMountFlag,
  printDockerfile,
  sourceStage,
} from "./index.ts";

const stage = (text: string) => parseDockerfile(`FROM x\n${text}`).stages[0]?.instructions ?? [];
const one = (text: string) => stage(text)[0];
const problem = (text: string): DockerfileError => {
  try {
    parseDockerfile(text);
  } catch (error) {
    if (error instanceof DockerfileError) return error;
    throw error;
  }
  throw new Error("it was parsed");
};

describe("lines", () => {
  test("are joined by the escape character, over comments and empty lines", () => {
    const [run] = stage("run echo a \\\n  # comment\n\n  && echo b\nCMD c");
    expect(run).toMatchObject({ name: "RUN", spelling: "run", command: { command: "echo a   && echo b" } });
    expect(run?.location).toEqual({ line: 2, endLine: 5 });
    expect(parseDockerfile("FROM x\nRUN a \\\n\n b").emptyContinuations).toEqual([{ line: 2, endLine: 4 }]);
  });

  test("may end with another escape character", () => {
    const file = parseDockerfile("# Escape = `\nFROM x\nRUN a `\n b \\\nRUN c");
    expect(file.stages[0]?.instructions.map(({ text }) => text)).toEqual(["RUN a  b \\", "RUN c"]);
  });

  test("an escaped escape character does not join", () => {
    expect(stage("RUN a \\\\\nCMD b")).toHaveLength(2);
  });

  test("end with CR LF on other systems, and may begin with a byte order mark", () => {
    expect(parseDockerfile("\uFEFFFROM x\r\nRUN a\\\r\n b\r\n").stages[0]?.instructions[0]?.text).toBe(
      "RUN a b",
    );
  });
});

describe("directives", () => {
  test("are read at the top only, a shebang skipped", () => {
    const file = parseDockerfile(
      "#!/usr/bin/x\n# syntax=docker/dockerfile:1\n#check=skip=all;error=true\nFROM x",
    );
    expect(file).toMatchObject({ syntax: "docker/dockerfile:1", check: "skip=all;error=true", escape: "\\" });
    expect(parseDockerfile("# hello\n# escape=`\nFROM x").escape).toBe("\\");
  });

  test.each([
    ["# escape=x\nFROM x", "invalid ESCAPE 'x'"],
    ["# escape=`\n# escape=`\nFROM x", "only one escape parser directive can be used"],
  ])("%p is refused", (text, message) => expect(problem(text).message).toContain(message));
});

describe("instructions", () => {
  test.each<[string, object]>([
    ['CMD ["a", "b"]', { command: { form: "exec", args: ["a", "b"] } }],
    ["CMD ['a']", { command: { form: "shell", command: "['a']" } }],
    ["CMD []", { command: { form: "exec", args: [] } }],
    ["RUN [ -f x ] && y", { command: { form: "shell", command: "[ -f x ] && y" } }],
    [
      "ENV a=b c='d e' f=g\\ h",
      {
        pairs: [
          { key: "a", value: "b" },
          { key: "c", value: "'d e'" },
          { key: "f", value: "g\\ h" },
        ],
      },
    ],
    ["ENV a b c=d", { legacy: true, pairs: [{ key: "a", value: "b c=d" }] }],
    ['LABEL "x y"=z', { pairs: [{ key: '"x y"', value: "z" }] }],
    [
      "ARG a b=c",
      {
        args: [
          { key: "a", value: undefined },
          { key: "b", value: "c" },
        ],
      },
    ],
    ["EXPOSE 80 8000-8010/udp $P", { ports: ["80", "8000-8010/udp", "$P"] }],
    ['VOLUME ["/a b"]', { paths: ["/a b"] }],
    ["VOLUME /a /b", { paths: ["/a", "/b"] }],
    ["WORKDIR /a b", { value: "/a b" }],
    ['SHELL ["/bin/bash", "-c"]', { shell: ["/bin/bash", "-c"] }],
    [
      "HEALTHCHECK --interval=5s --retries=2 CMD a b",
      { command: { form: "shell", command: "a b" }, flags: { interval: "5s", retries: "2" } },
    ],
    ["HEALTHCHECK none", { command: "none" }],
    ["ONBUILD COPY . /x", { trigger: "COPY . /x" }],
    ["STOPSIGNAL SIGKILL", { value: "SIGKILL" }],
    [
      "COPY --from=b --chown=1:2 --chmod=u+x --link a b /c/",
      {
        sources: [{ path: "a" }, { path: "b" }],
        destination: "/c/",
        flags: { from: "b", chown: "1:2", chmod: "u+x", link: true },
      },
    ],
    ['COPY ["a b", "/c d"]', { sources: [{ path: "a b" }], destination: "/c d" }],
    [
      "ADD --checksum=sha256:0 --keep-git-dir=true --unpack=false --exclude=*.o --exclude=x a /",
      { flags: { checksum: "sha256:0", keepGitDir: true, unpack: false, exclude: ["*.o", "x"] } },
    ],
    [
      "RUN --network=none --security=insecure --device=a a",
      { network: "none", security: "insecure", devices: [{ name: "a", required: false }] },
    ],
  ])("%p", (text, expected) => expect(one(text)).toMatchObject(expected));

  test("FROM names a platform, an image and a stage", () => {
    const [a, b] = parseDockerfile("ARG V=1\nFROM --platform=$P x:$V as Build\nFROM build").stages;
    expect(a?.from).toMatchObject({ platform: "$P", image: "x:$V", stage: "build", as: "as" });
    expect(b?.from).toMatchObject({ image: "build", stage: "" });
  });

  test("stages are found by name and by number, the last of a name first", () => {
    const { stages } = parseDockerfile("FROM x AS a\nFROM y AS b\nFROM z AS a");
    expect(findStage(stages, "A")).toBe(2);
    expect(findStage(stages, "a", 2)).toBe(0);
    expect(findStage(stages, "1")).toBe(1);
    expect(findStage(stages, "3")).toBeUndefined();
  });

  test("what files are taken from is a stage before, an image, or a mistake", () => {
    const { stages } = parseDockerfile("FROM x AS a\nFROM y AS b\nFROM z");
    const from = (reference: string) => sourceStage(stages, reference, 1, "copy");
    expect([from("A"), from("0"), from("busybox")]).toEqual([0, 0, undefined]);
    expect(() => from("2")).toThrow(
      'cannot copy from stage "2", it needs to be defined before current stage "b"',
    );
    expect(() => from("b")).toThrow("circular dependency detected on stage: b");
    for (const index of ["9", "-1"]) expect(() => from(index)).toThrow(`invalid stage index ${index}`);
    expect(problem("FROM x\nCOPY --from=$y /a /b").message).toContain("variable expansion is not supported");
  });
});

describe("mounts", () => {
  const mount = (text: string) => {
    const run = one(`RUN --mount=${text} x`);
    const [written = ""] = run?.name === "RUN" ? run.mounts : [];
    return parseMountFlag(written, { line: 2, endLine: 2 }, (value) => value.replace("$S", "locked"));
  };
  test.each<[string, object]>([
    ["target=/a", { type: "bind", target: "/a", readonly: true }],
    ["type=bind,from=b,src=/s,dst=/a,rw", { from: "b", source: "/s", target: "/a", readonly: false }],
    [
      "type=cache,target=/c,id=i,sharing=locked,mode=0700,uid=1,gid=2,ro",
      { sharing: "locked", mode: "0700", uid: "1", gid: "2", readonly: true },
    ],
    ["type=cache,target=/c,sharing=$S", { sharing: "locked" }],
    ["type=tmpfs,target=/t,size=1m,ro", { type: "tmpfs", size: "1m", readonly: true }],
    ["type=secret,source=s,target=/s", { id: "s", target: "/s" }],
    ["type=secret,id=s,env=S,required", { id: "s", env: "S", required: true }],
    ["TYPE=ssh", { type: "ssh" }],
    [`type=bind,'"target=/a,b"'`, { target: "/a,b" }],
  ])("%p", (text, expected) => expect(mount(text)).toMatchObject(expected));

  test.each([
    ["type=x,target=/", 'unsupported mount type "x"'],
    ["type=bind", "target is required"],
    ["type=bind,target=/a,mode=7", "unexpected key 'mode' for mount type 'bind'"],
    ["type=tmpfs,target=/a,required", "unexpected key 'required'"],
    ["type=secret,id=a,sharing=shared", "unexpected key 'sharing'"],
    ["type=cache,target=/a,sharing=x", 'unsupported sharing value "x"'],
    ["target", "must be a key=value pair"],
    ["type=secret", "needs an id or a target"],
    ["type=bind,target=/a,foo=1", "unexpected key 'foo'"],
    ["target=/a,ro=maybe", "invalid value for readonly"],
    ["target=/a,from=$x", "'from' doesn't support variable expansion"],
    ["type=secret,source=a,id=b", "both source and id"],
  ])("%p is refused", (text, message) =>
    expect(problem(`FROM x\nRUN --mount=${text} y`).message).toContain(message),
  );
});

describe("devices", () => {
  test.each<[string, object]>([
    ["vendor.com/class=name", { name: "vendor.com/class=name", required: false }],
    ["vendor.com/class=*,required", { name: "vendor.com/class=*", required: true }],
    ["name=class1,required=false", { name: "class1", required: false }],
  ])("%p", (text, expected) => expect(one(`RUN --device=${text} x`)).toMatchObject({ devices: [expected] }));

  test.each([
    ["required", "needs a name"],
    ["a,b", "already set to a"],
    ["a,required=x", "invalid value for required"],
  ])("%p is refused", (text, message) =>
    expect(problem(`FROM x\nRUN --device=${text} y`).message).toContain(message),
  );
});

describe("here-documents", () => {
  test("follow their instruction in order", () => {
    const [copy, run, cmd] = stage(
      'COPY <<a <<-"b" /d/\none $x\na\n\ttwo $x\n\tb\nRUN <<EOF cat >x\nhi\nEOF\nCMD y',
    );
    expect(copy?.heredocs).toEqual([
      { name: "a", descriptor: -1, expand: true, stripTabs: false, content: "one $x\n" },
      { name: "b", descriptor: -1, expand: false, stripTabs: true, content: "two $x\n" },
    ]);
    expect(run?.heredocs[0]?.content).toBe("hi\n");
    expect(cmd?.name).toBe("CMD");
    expect(copy?.location).toEqual({ line: 2, endLine: 6 });
  });

  test("are no shifts, here-strings or quoted texts of a shell", () => {
    for (const text of [
      "RUN echo $((1<<2))",
      "RUN cat <<<x",
      'RUN echo "<<EOF"',
      'RUN ["a", "<<EOF"]',
      "CMD <<EOF",
    ])
      expect(one(text)?.heredocs).toEqual([]);
  });

  test("belong to ONBUILD as well", () => {
    expect(one("ONBUILD RUN <<EOF\nx\nEOF")).toMatchObject({ trigger: "RUN <<EOF\nx\nEOF" });
  });

  test("without an end are refused with the name that is missing", () => {
    expect(problem("FROM x\nRUN <<EOF\nx").message).toContain('unterminated heredoc (expected: a line "EOF"');
  });
});

describe("errors tell line, problem and what was expected", () => {
  test.each([
    ["RUN x", 1, "no build stage in current context"],
    ["", 1, "file with no instructions"],
    ["FROM x\nFORM y", 2, "unknown instruction: FORM (did you mean FROM?)"],
    ["FROM x\nRNU y", 2, "unknown instruction: RNU (did you mean RUN?)"],
    ["FROM x y", 1, "FROM requires either one or three arguments"],
    ["FROM x AS 1a", 1, "invalid name for build stage"],
    ["FROM x\nENV a", 2, "ENV must have two arguments"],
    ["FROM x\nENV a=b c", 2, 'can\'t find = in "c"'],
    ["FROM x\nCOPY a", 2, "COPY requires at least two arguments, but only 1 was provided"],
    ["FROM x\nCOPY --form=a b c", 2, "unknown flag: --form (expected: --from"],
    ["FROM x\nCOPY --from=a --from=b c d", 2, "duplicate flag specified: --from"],
    ["FROM x\nCOPY --chown a b", 2, "missing a value on flag: --chown"],
    ["FROM x\nCOPY --link=2 a b", 2, "expecting boolean value for flag --link"],
    ["FROM x\nSHELL bash", 2, "SHELL requires the arguments to be in JSON form"],
    ["FROM x\nCMD [1]", 2, "arrays must be comprised of strings only"],
    ["FROM x\nONBUILD ONBUILD RUN x", 2, "Chaining ONBUILD"],
    ["FROM x\nONBUILD FROM y", 2, "FROM isn't allowed as an ONBUILD trigger"],
    ["FROM x\nONBUILD COPY a", 2, "COPY requires at least two arguments"],
    ["FROM x\nHEALTHCHECK x", 2, 'Unknown type "x" in HEALTHCHECK'],
    ["FROM x\nSTOPSIGNAL nope", 2, "invalid signal: nope"],
    ["FROM x\nRUN", 2, "RUN requires at least one argument"],
    ["FROM x\nRUN --network=x y", 2, 'unsupported network mode "x"'],
    ["FROM x\nUSER", 2, "USER requires exactly one argument"],
  ])("%p", (text, line, message) => {
    const error = problem(text);
    expect(error.location.line).toBe(line);
    expect(error.message).toStartWith(`dockerfile parse error on line ${line}: `);
    expect(error.message).toContain(message);
  });

  test("and the lines around are shown", () => {
    expect(excerpt("Dockerfile", "FROM x\n\nRUN a \\\n b\nCMD c\n", { line: 3, endLine: 4 })).toBe(
      "Dockerfile:3\n--------------------\n   1 |     FROM x\n   2 |\n   3 | >>> RUN a \\\n   4 | >>>  b\n   5 |     CMD c\n   6 |\n--------------------",
    );
  });
});

/** What an instruction means, without where it stands. */
const meaning = ({ location: _, text: __, spelling: ___, ...rest }: Instruction) => rest;
const meanings = (text: string) => {
  const { globalArgs, stages, escape: escapeChar, syntax, check } = parseDockerfile(text);
  return {
    escapeChar,
    syntax,
    check,
    globalArgs: globalArgs.map(meaning),
    stages: stages.map(({ from, instructions }) => [meaning(from), ...instructions.map(meaning)]),
  };
};

describe("properties", () => {
  const word = fc.stringMatching(/^[a-z0-9/._-]{1,6}$/).filter((text) => !text.startsWith("-"));
  const value = fc
    .stringMatching(/^(?:[a-zA-Z0-9$:{}./_-]|\\ |"[a-z $']*"|'[a-z "$]*'){0,5}$/)
    .filter((text) => !text.endsWith(" "));
  const json = fc
    .array(fc.string({ maxLength: 6 }), { minLength: 1, maxLength: 3 })
    .map((list) => JSON.stringify(list));
  const shell = fc.stringMatching(/^[a-z][a-z "'$|&>=\\[\]-]{0,14}[a-z]$/);
  const mount = fc.constantFrom(
    "type=bind,target=/a,rw",
    "type=cache,target=/c,sharing=locked",
    "type=secret,id=a,required",
    "type=tmpfs,target=/t,size=9",
  );
  const line = fc.oneof(
    fc
      .tuple(fc.constantFrom("RUN", "CMD", "ENTRYPOINT"), fc.oneof(json, shell))
      .map((parts) => parts.join(" ")),
    fc.tuple(mount, shell).map(([flag, command]) => `RUN --mount=${flag} ${command}`),
    fc
      .tuple(fc.constantFrom("ENV", "LABEL", "ARG"), word, value)
      .map(([name, key, text]) => `${name} ${key.replace(/[^a-z]/g, "x")}=${text}`),
    fc
      .tuple(
        fc.constantFrom("COPY", "ADD"),
        fc.constantFrom("", "--link ", "--chown=a:b ", "--exclude='a b' "),
        word,
        word,
      )
      .map(([name, flag, a, b]) => `${name} ${flag}${a} ${b}`),
    fc
      .tuple(word, fc.array(word, { maxLength: 3 }))
      .map(
        ([name, body]) =>
          `COPY <<E${name.replace(/\W/g, "")} /x\n${body.join("\n")}\nE${name.replace(/\W/g, "")}`,
      ),
    fc.tuple(fc.constantFrom("WORKDIR", "USER", "EXPOSE", "VOLUME"), word).map((parts) => parts.join(" ")),
    fc.constantFrom(
      "HEALTHCHECK --retries=3 CMD x",
      "HEALTHCHECK NONE",
      'SHELL ["a"]',
      "ONBUILD RUN x",
      "STOPSIGNAL 9",
      "FROM y AS z",
    ),
  );

  test("a printed Dockerfile means what the first one meant", () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        const text = ["FROM x", ...lines].join("\n");
        let first: ReturnType<typeof meanings>;
        try {
          first = meanings(text);
        } catch (error) {
          expect(error).toBeInstanceOf(DockerfileError);
          return;
        }
        const printed = printDockerfile(parseDockerfile(text));
        expect(meanings(printed)).toEqual(first);
        expect(printDockerfile(parseDockerfile(printed))).toBe(printed);
      }),
      { numRuns: 300 },
    );
  });

  test("no text does more than be refused with a line of it", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "FROM x\n",
        "RUN ",
        "--mount=",
        "<<EOF",
        "EOF\n",
        "\\\n",
        "\n",
        "${",
        "}",
        '"',
        "'",
        "[",
        "]",
        ",",
        "=",
        "ONBUILD ",
        "COPY ",
        "# escape=`\n",
        "\0",
        "`",
        "$a",
      ),
      fc.string({ maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const text = pieces.join("");
        try {
          parseDockerfile(text);
        } catch (error) {
          if (!(error instanceof EngineError)) throw error;
          expect(error).toBeInstanceOf(DockerfileError);
        }
      }),
      { numRuns: 1500 },
    );
  });
});
