import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { EvokeError } from "../errors.js";
import { Random } from "../random/counter.js";
import { loadTokenizer } from "../tokenizer/tokenizer.js";
import { parseGguf } from "./gguf/parse.js";
import { type GgufField, writeGguf } from "./gguf/write.js";
import { openCheckpoint } from "./open.js";

const fixtures = fileURLToPath(new URL("../model/fixtures/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "evoke-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Overwrites, flips, cuts, inserts or removes bytes, mostly near the header; numbers that hurt are favoured. */
function mutate(original: Buffer, random: Random): Buffer {
  let bytes: Buffer = Buffer.from(original);
  const header = Math.min(bytes.length, 4096);
  for (let edits = 1 + random.below(4); edits > 0 && bytes.length > 0; edits--) {
    const at = random.below(random.below(3) ? Math.min(header, bytes.length) : bytes.length);
    switch (random.below(7)) {
      case 0:
        bytes[at] = random.below(256);
        break;
      case 1:
        bytes[at] = bytes[at]! ^ (1 << random.below(8));
        break;
      case 2:
        bytes.fill([0, 255, 127, 128][random.below(4)]!, at, Math.min(bytes.length, at + 1 + random.below(8)));
        break;
      case 3:
        bytes = bytes.subarray(0, at);
        break;
      case 4:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.alloc(1 + random.below(9), random.below(256)),
          bytes.subarray(at),
        ]);
        break;
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(9))]);
        break;
      default:
        bytes.copy(bytes, at, random.below(bytes.length), random.below(bytes.length) + 1);
    }
  }
  return bytes;
}

/** Does all a user would; a refusal must be one clear line that names the file or folder. */
async function exercise(path: string, withTokenizer: boolean): Promise<"read" | "refused"> {
  try {
    const checkpoint = openCheckpoint(path);
    try {
      for (const name of checkpoint.names()) {
        const values = checkpoint.info(name).shape.reduce((a, b) => a * b, 1);
        expect(checkpoint.read(name)).toHaveLength(values);
      }
    } finally {
      checkpoint.close();
    }
    if (withTokenizer) expect((await loadTokenizer(path)).encode("the 12 ends")).toBeInstanceOf(Array);
    return "read";
  } catch (error) {
    if (!(error instanceof EvokeError)) throw error;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may reach a terminal
    expect(error.message).not.toMatch(/[\u0000-\u001f]/);
    expect(error.message).toContain(folder);
    expect(error.message.length).toBeLessThan(1500);
    return "refused";
  }
}

/** The model with its last tensor in a part of its own. */
function splitInTwo(whole: string): { path: string; bytes: Buffer }[] {
  const { metadata, tensors, file } = parseGguf(whole);
  const marks = (no: number): [string, GgufField][] => [
    ["split.no", { u32: no }],
    ["split.count", { u32: 2 }],
  ];
  const simple = [...metadata].flatMap(([key, value]): [string, GgufField][] => {
    if (typeof value === "number") return [[key, Number.isInteger(value) ? { u32: value } : { f32: value }]];
    if (typeof value === "string") return [[key, { string: value }]];
    if (typeof value === "boolean") return [[key, { bool: value }]];
    return [[key, typeof value[0] === "string" ? { strings: value as string[] } : { i32s: value as number[] }]];
  });
  const all = [...tensors.values()].map(({ name, shape, values, position }) => {
    const bytes = new Uint8Array(4 * values);
    file.read(position, bytes);
    return { name, shape, encoding: "f32" as const, data: () => new Float32Array(bytes.buffer) };
  });
  file.close();
  return [0, 1].map((i) => {
    const path = join(folder, `part-0000${i + 1}-of-00002.gguf`);
    writeGguf(path, new Map([...(i ? [] : simple), ...marks(i)]), i ? all.slice(-1) : all.slice(0, -1));
    return { path, bytes: readFileSync(path) };
  });
}

describe("2,000 random mutations", () => {
  it.each([
    ["blocks", 800],
    ["spm", 700],
    ["llama", 500],
  ] as const)("of %s.gguf: no crash, no hang, one line (%i)", async (name, runs) => {
    const original = readFileSync(join(fixtures, `gguf/${name}.gguf`));
    const path = join(folder, "mutant.gguf");
    const seen = { read: 0, refused: 0 };
    for (let run = 0; run < runs; run++) {
      writeFileSync(path, mutate(original, new Random("gguf", name, run)));
      seen[await exercise(path, name !== "blocks")]++;
    }
    expect(Math.min(seen.read, seen.refused)).toBeGreaterThan(runs / 50);
  });

  it("of either part of a model in two: no crash, no hang, one line (2000)", async () => {
    const parts = splitInTwo(join(fixtures, "gguf/llama.gguf"));
    const seen = { read: 0, refused: 0 };
    for (let run = 0; run < 2000; run++) {
      const changed = run % 2;
      for (const [i, { path, bytes }] of parts.entries())
        writeFileSync(path, i === changed ? mutate(bytes, new Random("gguf part", run)) : bytes);
      seen[await exercise(parts[0]!.path, run % 8 === 0)]++;
    }
    expect(Math.min(seen.read, seen.refused)).toBeGreaterThan(40);
  });

  it.each([
    ["bnb", 1200],
    ["llama", 800],
    ["fp8-block", 700],
    ["fp8-row", 700],
    ["fp8-tensor", 600],
  ] as const)("of %s/model.safetensors: no crash, no hang, one line (%i)", async (name, runs) => {
    const original = readFileSync(join(fixtures, name, "model.safetensors"));
    const mutant = join(folder, name);
    mkdirSync(mutant);
    writeFileSync(join(mutant, "config.json"), readFileSync(join(fixtures, name, "config.json")));
    const seen = { read: 0, refused: 0 };
    for (let run = 0; run < runs; run++) {
      writeFileSync(join(mutant, "model.safetensors"), mutate(original, new Random("safetensors", name, run)));
      seen[await exercise(mutant, false)]++;
    }
    expect(Math.min(seen.read, seen.refused)).toBeGreaterThan(runs / 50);
  });
});
