import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineReader, parseJobLine } from "./job-events.js";

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

describe("LineReader", () => {
  it("gives every whole line once, however the text grows", () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z ]{0,9}$/)), fc.array(fc.nat(200)), (lines, cuts) => {
        const text = lines.map((line) => `${line}\n`).join("");
        const reader = new LineReader();
        const seen = [...cuts.sort((a, b) => a - b), text.length].flatMap((at) => reader.next(text.slice(0, at)));
        expect(seen).toEqual(lines);
      }),
    );
  });

  it("starts anew with a text that is shorter", () => {
    const reader = new LineReader();
    expect(reader.next("one\r\ntwo\nthr")).toEqual(["one", "two"]);
    expect(reader.next("1\n")).toEqual(["1"]);
  });
});
