import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Zippable, zipSync } from "fflate";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unpackWheel } from "./unpack-wheel.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-wheel-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function unpack(files: Zippable, change: (bytes: Buffer) => void = () => {}): Promise<string> {
  const wheel = join(folder, "a.whl");
  const bytes = Buffer.from(zipSync(files));
  change(bytes);
  writeFileSync(wheel, bytes);
  await unpackWheel(wheel, join(folder, "out"));
  return join(folder, "out");
}

const text = (content: string): Uint8Array => new TextEncoder().encode(content);

describe("unpackWheel", () => {
  it("unpacks files but those of Python", async () => {
    const out = await unpack({ "m/data/config.json": text("{}"), "m/__init__.py": text("import os") });
    expect(readFileSync(join(out, "m/data/config.json"), "utf8")).toBe("{}");
    expect(readdirSync(join(out, "m"))).toEqual(["data"]);
  });

  it("lets a small file shrink as much as it can", async () => {
    const out = await unpack({ "zeros.bin": new Uint8Array(900_000) });
    expect(readFileSync(join(out, "zeros.bin")).length).toBe(900_000);
  });

  it.each<[string, Zippable, RegExp]>([
    [
      "one file that is a bomb",
      { "bomb.bin": new Uint8Array(50_000_000), "x.bin": text("x") },
      /bomb\.bin unpacks from/,
    ],
    [
      "many files that are one together",
      Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i}.bin`, new Uint8Array(1_000_000)])),
      /unpacks to more than/,
    ],
    [
      "too many files",
      Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`${i}`, text("")])),
      /it holds 10001 files/,
    ],
  ])("refuses %s, before it writes anything", async (_, files, message) => {
    await expect(unpack(files)).rejects.toThrow(message);
    expect(existsSync(join(folder, "out"))).toBe(false);
  });

  it("refuses a path outside of it", async () => {
    await expect(unpack({ "../evil.txt": text("x") })).rejects.toThrow();
    expect(existsSync(join(folder, "evil.txt"))).toBe(false);
  });

  it("stops a file that is larger than the index says", async () => {
    // The size in the central directory, and in the file's own header, is made a lie.
    const lie = (bytes: Buffer): void => {
      bytes.writeUInt32LE(10, bytes.indexOf(Buffer.from("PK\x03\x04", "latin1")) + 22);
      bytes.writeUInt32LE(10, bytes.indexOf(Buffer.from("PK\x01\x02", "latin1")) + 24);
    };
    await expect(unpack({ "a.bin": new Uint8Array(5_000) }, lie)).rejects.toThrow(/too many bytes/);
  });
});
