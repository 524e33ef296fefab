import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lineNumber, parseJobLine } from "./job-events.js";

describe("parseJobLine", () => {
  it("reads events and passes over everything else", () => {
    expect(parseJobLine('evoke: {"event":"checkpoint","step":20}')).toEqual({ event: "checkpoint", step: 20 });
    expect(parseJobLine('evoke: {"event":"error","message":"no"}')).toEqual({ event: "error", message: "no" });
    for (const line of [
      "Loading checkpoint shards",
      "evoke: starting",
      'evoke: {"event":"step","step":1}',
      'evoke: {"event":"step","step":1,"loss":NaN}',
      '(worker) evoke: {"event":"checkpoint","step":20}',
      'evoke: {"event":"checkpoint","step":-1}',
    ])
      expect(parseJobLine(line)).toBeUndefined();
  });

  it("takes no file name that leads elsewhere", () => {
    const result = (name: string) =>
      parseJobLine(
        `evoke: ${JSON.stringify({ event: "result", kind: "adapter", files: [{ name, size: 1, sha256: "" }] })}`,
      );
    expect(result("adapter_config.json")).toBeDefined();
    for (const name of ["../run.json", "/etc/x", "a/b", "..", ".x", ""]) expect(result(name)).toBeUndefined();
  });

  it("survives any line", () => {
    fc.assert(
      fc.property(fc.string(), fc.json(), (text, json) => void [parseJobLine(text), parseJobLine(`evoke: ${json}`)]),
    );
  });
});

it("numbers are read from the messages' ends alone", () => {
  expect(lineNumber('evoke: {"event": "begin", "n": 1800000000000123}')).toBe(1800000000000123);
  for (const line of ['{"n": 5}', 'evoke: {"n": 5} and more', 'evoke: {"event":"begin"}'])
    expect(lineNumber(line)).toBeUndefined();
});
