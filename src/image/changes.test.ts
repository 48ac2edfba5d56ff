import { describe, expect, test } from "bun:test";
import { applyChanges } from "./changes.ts";

const change = (...lines: string[]) => applyChanges({}, lines);

describe("--change", () => {
  test("takes commands as words for a shell or as a list", () => {
    expect(change("CMD echo hi", 'ENTRYPOINT ["/bin/x", "-a"]')).toEqual({
      Cmd: ["/bin/sh", "-c", "echo hi"],
      Entrypoint: ["/bin/x", "-a"],
    });
  });

  test("sets environment and labels in both spellings, later ones winning", () => {
    const config = change(
      'ENV A=1 B=\'two words\' C="x \\" y"',
      "ENV D the rest of it",
      "env A=3",
      'LABEL a.b=c d="e f"',
    );
    expect(config.Env).toEqual(["A=3", "B=two words", 'C=x " y', "D=the rest of it"]);
    expect(config.Labels).toEqual({ "a.b": "c", d: "e f" });
  });

  test("exposes ports and ranges", () => {
    expect(Object.keys(change("EXPOSE 80 53/udp 9000-9002").ExposedPorts ?? {})).toEqual([
      "80/tcp",
      "53/udp",
      "9000/tcp",
      "9001/tcp",
      "9002/tcp",
    ]);
    expect(() => change("EXPOSE 99999")).toThrow("invalid containerPort");
  });

  test("sets user, folder, signal, volumes, triggers", () => {
    expect(
      change(
        "USER www:www",
        "WORKDIR /a",
        "WORKDIR b",
        "STOPSIGNAL SIGINT",
        'VOLUME ["/data"]',
        "ONBUILD RUN make",
      ),
    ).toEqual({
      User: "www:www",
      WorkingDir: "/a/b",
      StopSignal: "SIGINT",
      Volumes: { "/data": {} },
      OnBuild: ["RUN make"],
    });
  });

  test("sets health checks", () => {
    expect(change("HEALTHCHECK --interval=5s --retries=2 CMD curl localhost").Healthcheck).toEqual({
      Test: ["CMD-SHELL", "curl localhost"],
      Interval: 5_000_000_000,
      Retries: 2,
    });
    expect(change("HEALTHCHECK NONE").Healthcheck).toEqual({ Test: ["NONE"] });
  });

  test("refuses instructions that would do more than change the config", () => {
    expect(() => change("RUN rm -rf /")).toThrow("run is not a valid change command");
    expect(() => change("COPY a b")).toThrow("copy is not a valid change command");
    expect(() => change("ONBUILD ONBUILD RUN x")).toThrow("Chaining ONBUILD");
    expect(() => change("ENV")).toThrow("ENV requires at least one argument");
    expect(() => change("LABEL a='b")).toThrow("single-quote");
    expect(() => change("STOPSIGNAL SIGNOPE")).toThrow();
  });
});
