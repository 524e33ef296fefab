/** Models cut into parts, as llama.cpp's gguf-split names and marks them. */
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { identifyContent } from "../../hub/content-identity.js";
import { loadTokenizer } from "../../tokenizer/tokenizer.js";
import { openCheckpoint } from "../open.js";
import { type GgufValue, parseGguf } from "./parse.js";
import { type GgufField, writeGguf } from "./write.js";

const whole = fileURLToPath(new URL("../../model/fixtures/gguf/llama.gguf", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "evoke-parts-"));
afterAll(() => rmSync(root, { recursive: true }));

const field = (value: GgufValue): GgufField => {
  if (typeof value === "number") return Number.isInteger(value) ? { u32: value } : { f32: value };
  if (typeof value === "string") return { string: value };
  if (typeof value === "boolean") return { bool: value };
  return typeof value[0] === "string" ? { strings: value as string[] } : { i32s: value as number[] };
};

/** Writes the model in three parts; `changes` are made to what one of them says. */
function split(folder: string, changes: Record<number, Record<string, number>> = {}): string[] {
  const checkpoint = parseGguf(whole);
  const names = [...checkpoint.tensors.keys()];
  const each = Math.ceil(names.length / 3);
  const paths = [0, 1, 2].map((i) => join(folder, `llama-0000${i + 1}-of-00003.gguf`));
  for (const [i, path] of paths.entries()) {
    const marks = { "split.no": i, "split.count": 3, "split.tensors.count": names.length, ...changes[i] };
    const metadata = new Map([
      ...(i === 0 ? [...checkpoint.metadata].map(([key, value]) => [key, field(value)] as const) : []),
      ...Object.entries(marks).map(([key, value]) => [key, { u32: value } as GgufField] as const),
    ]);
    const tensors = names.slice(i * each, (i + 1) * each).map((name) => {
      const tensor = checkpoint.tensors.get(name)!;
      const data = (): Float32Array => {
        const bytes = new Uint8Array(4 * tensor.values);
        checkpoint.file.read(tensor.position, bytes);
        return new Float32Array(bytes.buffer);
      };
      return { name, shape: tensor.shape, encoding: "f32" as const, data };
    });
    writeGguf(path, metadata, tensors);
  }
  checkpoint.close();
  return paths;
}

describe("a model in parts", () => {
  let paths: string[];
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(root, "good-"));
    paths = split(folder);
  });

  it("is read as the whole file is, by its folder and by any part", async () => {
    const expected = openCheckpoint(whole);
    for (const path of [folder, ...paths]) {
      const found = openCheckpoint(path);
      expect(found.names().sort()).toEqual(expected.names().sort());
      for (const name of expected.names()) expect(found.read(name), name).toEqual(expected.read(name));
      const table = "model.embed_tokens.weight";
      expect(found.readRows(table, [5, 2])).toEqual(expected.readRows(table, [5, 2]));
      expect(found.config).toEqual(expected.config);
      found.close();
    }
    expected.close();
    const text = "the 12 ends";
    expect((await loadTokenizer(paths[2]!)).encode(text)).toEqual((await loadTokenizer(whole)).encode(text));
  });

  it("has the identity of all its parts", async () => {
    const before = await identifyContent({ model: paths[0]! });
    expect(Object.keys(before.files)).toHaveLength(3);
    expect((await identifyContent({ model: paths[1]! })).id).toBe(before.id);
    const other = mkdtempSync(join(root, "other-"));
    const changed = split(other, { 2: { "split.extra": 1 } });
    expect((await identifyContent({ model: changed[0]! })).id).not.toBe(before.id);
  });

  it.each([
    [
      "a missing part",
      (parts: string[]) => rmSync(parts[1]!),
      "is one of 3 parts, and .*00002-of-00003.gguf is missing",
    ],
    ["parts that changed places", (parts: string[]) => swap(parts[1]!, parts[2]!), "says that it is part 3 of 3"],
    ["a part twice", (parts: string[]) => copyFileSync(parts[1]!, parts[2]!), "says that it is part 2 of 3"],
    ["an empty part", (parts: string[]) => writeFileSync(parts[2]!, ""), "it does not start with GGUF"],
  ])("is refused with %s", (_, damage, message) => {
    const parts = split(mkdtempSync(join(root, "bad-")));
    damage(parts);
    expect(() => openCheckpoint(parts[0]!)).toThrow(new RegExp(message));
  });

  it("is refused where its parts do not add up, or a part is called a whole", () => {
    const folder = mkdtempSync(join(root, "sum-"));
    const parts = split(folder, { 0: { "split.tensors.count": 99 } });
    expect(() => openCheckpoint(parts[0]!)).toThrow("split.tensors.count says 99");
    const alone = join(folder, "alone.gguf");
    renameSync(parts[0]!, alone);
    expect(() => openCheckpoint(alone)).toThrow("says that it is part 1 of 3 (split.no, split.count)");
  });
});

function swap(one: string, other: string): void {
  renameSync(one, `${one}.x`);
  renameSync(other, one);
  renameSync(`${one}.x`, other);
}
