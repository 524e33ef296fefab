import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { crc32c } from "./crc32c.js";
import { EventFileWriter } from "./tensorboard.js";

interface Fixture {
  start: number;
  fromStep: number;
  points: { tag: string; value: number; step: number; wallTime: number }[];
  base64: string;
}
const fixture = JSON.parse(
  readFileSync(new URL("./fixtures/tensorboard-events.json", import.meta.url), "utf8"),
) as Fixture;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-events-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("crc32c", () => {
  it("gives the check value of the standard and RFC 3720's of 32 zero bytes", () => {
    expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  });
});

describe("EventFileWriter", () => {
  it("writes the bytes that TensorBoard's own classes write", () => {
    const writer = new EventFileWriter(folder, { fromStep: fixture.fromStep, wallTime: fixture.start });
    for (const { tag, value, step, wallTime } of fixture.points) writer.scalar(tag, value, step, wallTime);
    writer.close();
    expect(readFileSync(writer.path).toString("base64")).toBe(fixture.base64);
  });

  it("leaves earlier files of the folder alone and names its own to sort after them", () => {
    const paths = [1, 2, 3].map(() => {
      const writer = new EventFileWriter(folder, { wallTime: fixture.start });
      writer.scalar("loss", 1, 1);
      writer.close();
      return writer.path;
    });
    expect(
      readdirSync(folder)
        .map((name) => join(folder, name))
        .sort(),
    ).toEqual(paths);
  });

  it("refuses points after close", () => {
    const writer = new EventFileWriter(folder);
    writer.close();
    writer.close();
    expect(() => writer.scalar("loss", 1, 1)).toThrow("closed");
  });
});
