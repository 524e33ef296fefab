/** The package's copy of ONNX Runtime, unpacked by processes that start together, into places that may refuse. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FailureError } from "../../errors.js";
import { PACKED_INDEX, type PackedIndex } from "./packed.js";
import { unpackLibrary } from "./unpack.js";

const LIBRARY = Buffer.from("a library ".repeat(100));
let folder: string;
let packed: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "unpack-"));
  packed = join(folder, "packed");
  mkdirSync(packed);
  const file = { bytes: LIBRARY.length, sha256: createHash("sha256").update(LIBRARY).digest("hex"), packed: "lib.br" };
  const index: PackedIndex = {
    version: "1.0.0",
    files: [
      { name: "lib.1", ...file },
      { name: "lib.1.0", ...file },
    ],
  };
  writeFileSync(join(packed, PACKED_INDEX), JSON.stringify(index));
  writeFileSync(join(packed, "lib.br"), brotliCompressSync(LIBRARY));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("unpacking the library", () => {
  it("writes every file, equal ones from one source, and leaves nothing else", () => {
    const place = join(folder, "cache");
    const found = unpackLibrary(packed, [place]);
    expect(readdirSync(found)).toEqual(["lib.1", "lib.1.0"]);
    expect(readFileSync(join(found, "lib.1.0"))).toEqual(LIBRARY);
    expect(readdirSync(place)).toHaveLength(1);
  });

  it("takes what is there already, in any of the places", () => {
    const second = unpackLibrary(packed, [join(folder, "second")]);
    expect(unpackLibrary(packed, [join(folder, "first"), join(folder, "second")])).toBe(second);
  });

  it("replaces what was cut off", () => {
    const found = unpackLibrary(packed, [join(folder, "cache")]);
    writeFileSync(join(found, "lib.1"), "short");
    expect(unpackLibrary(packed, [join(folder, "cache")])).toBe(found);
    expect(readFileSync(join(found, "lib.1"))).toEqual(LIBRARY);
  });

  it("goes to the next place where one refuses, and names all where all do", () => {
    writeFileSync(join(folder, "file"), "");
    const refused = join(folder, "file", "cache");
    expect(unpackLibrary(packed, [refused, join(folder, "next")])).toContain(join(folder, "next"));
    rmSync(join(folder, "next"), { recursive: true });
    expect(() => unpackLibrary(packed, [refused])).toThrow(/cannot be unpacked \(ENOTDIR.*EVOKE_CACHE/);
  });

  it.each([
    ["not Brotli", Buffer.from("nonsense")],
    ["other bytes", brotliCompressSync(Buffer.from("another library"))],
    ["more bytes than listed", brotliCompressSync(Buffer.concat([LIBRARY, LIBRARY]))],
  ])("refuses a damaged package: %s", (_, bytes) => {
    writeFileSync(join(packed, "lib.br"), bytes);
    const place = join(folder, "cache");
    expect(() => unpackLibrary(packed, [place])).toThrow(FailureError);
    expect(readdirSync(place)).toEqual([]);
  });
});
