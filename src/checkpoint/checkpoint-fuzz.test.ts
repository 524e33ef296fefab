import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { EvokeError } from "../errors.js";
import { Random } from "../random/counter.js";
import { loadTokenizer } from "../tokenizer/tokenizer.js";
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
        bytes.fill([0, 255, 127, 128][random.below(4)]!, at, at + 1 + random.below(8));
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

  it.each([
    ["bnb", 1200],
    ["llama", 800],
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
