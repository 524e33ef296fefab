/** Folders in which one file of JSON has mistakes: never a crash or a hang, at most one clear line that names the file. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { fixtureWeights } from "../../tests/support/fixture-model.js";
import { mutateJson } from "../../tests/support/json-mutation.js";
import { openCheckpoint } from "../checkpoint/open.js";
import { writeShardedSafetensors } from "../checkpoint/safetensors-write.js";
import { EvokeError } from "../errors.js";
import { goTemplate } from "../export/ollama/modelfile.js";
import { turnTexts } from "../export/ollama/turns.js";
import { loadDecoderWeights } from "../model/weights.js";
import { loadAdapter } from "../peft/adapter-io.js";
import { Random } from "../random/counter.js";
import { renderModelTemplate } from "../tokenizer/chat-template.js";
import { loadTokenizer } from "../tokenizer/tokenizer.js";
import { describeFailure } from "./failure.js";

const root = mkdtempSync(join(tmpdir(), "evoke-folder-fuzz-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const TEXT = "the 12 ends, Grüße 世界 🌍\n";

type Json = Record<string, unknown>;

/** Does what a user would do with the folder. */
type Use = (folder: string) => unknown;

const useModel: Use = (folder) => {
  const checkpoint = openCheckpoint(folder);
  try {
    const weights = loadDecoderWeights(checkpoint);
    weights.close();
  } finally {
    checkpoint.close();
  }
};

const useTokenizer: Use = async (folder) => {
  const tokenizer = await loadTokenizer(folder);
  const ids = tokenizer.encode(TEXT);
  expect(ids.every((id) => Number.isInteger(id) && id >= 0)).toBe(true);
  expect(tokenizer.decode(ids)).toBeTypeOf("string");
  expect(tokenizer.eosIds.every((id) => Number.isInteger(id) && id >= 0)).toBe(true);
  if (tokenizer.chatTemplate === undefined) return;
  const turns = turnTexts((messages, addGenerationPrompt) =>
    renderModelTemplate(tokenizer, messages, { addGenerationPrompt }),
  );
  if (turns) goTemplate(turns);
};

/** @returns how often the folder was used, and how often refused. */
async function fuzz(folder: string, file: string, runs: number, use: Use, key = 0) {
  const path = join(folder, file);
  const original = readFileSync(path, "utf8");
  const seen = { used: 0, refused: 0 };
  for (let run = 0; run < runs; run++) {
    writeFileSync(path, mutateJson(original, new Random("folder", file, key, run)));
    try {
      await use(folder);
      seen.used++;
    } catch (error) {
      if (!(error instanceof EvokeError))
        throw new Error(`run ${run}: ${readFileSync(path, "utf8").slice(0, 3000)}`, { cause: error });
      const { line = "" } = describeFailure(error);
      expect(line, `run ${run}`).not.toMatch(/[\r\n]/);
      expect(line).toContain(folder);
      expect(line.length).toBeLessThanOrEqual(2000);
      seen.refused++;
    }
  }
  writeFileSync(path, original);
  return seen;
}

const enough = ({ used, refused }: { used: number; refused: number }): void =>
  expect(Math.min(used, refused), `${used} used, ${refused} refused`).toBeGreaterThan((used + refused) / 100);

function copy(from: string, name: string): string {
  const folder = join(root, name);
  cpSync(at(from), folder, { recursive: true });
  return folder;
}

describe("2,000 mistakes", () => {
  it.each(["llama-tied-rope3", "gemma3-types", "phi3", "gpt2", "fp8-block"])(
    "in config.json of %s, a share each",
    async (name) => {
      enough(await fuzz(copy(`../model/fixtures/${name}`, name), "config.json", 400, useModel));
    },
  );

  it("in model.safetensors.index.json", async () => {
    const folder = copy("../model/fixtures/llama", "sharded");
    const checkpoint = openCheckpoint(folder);
    const tensors = checkpoint.names().map((name) => ({
      name,
      shape: checkpoint.info(name).shape,
      dtype: "F32" as const,
      data: checkpoint.read(name),
    }));
    checkpoint.close();
    rmSync(join(folder, "model.safetensors"));
    writeShardedSafetensors(folder, tensors, { maxShardBytes: 20_000 });
    enough(await fuzz(folder, "model.safetensors.index.json", 2000, useModel));
  });

  it("in adapter_config.json", async () => {
    const { config } = fixtureWeights("llama");
    const folder = copy("../peft/fixtures/rank-pattern", "adapter");
    enough(await fuzz(folder, "adapter_config.json", 2000, (path) => loadAdapter(path, config)));
  });

  describe("in a tokenizer's", () => {
    const folder = join(root, "tokenizer");
    cpSync(at("../model/fixtures/llama"), folder, { recursive: true });
    const write = (name: string, value: unknown): void => writeFileSync(join(folder, name), JSON.stringify(value));
    const golden = JSON.parse(
      gunzipSync(readFileSync(at("../tokenizer/fixtures/tokenizer-parts.json.gz"))).toString("utf8"),
    ) as { models: Record<string, Json>; cases: Json[] };
    /** tokenizer.json with one entry for all merges, so that mistakes fall on everything else as well. */
    const tokenizerOf = ({ model, normalizer, pre_tokenizer, post_processor, decoder, added }: Json): Json => {
      const { merges, ...own } = golden.models[model as string]!;
      const joined = Array.isArray(merges) ? { merges: merges.map((merge) => [merge].flat().join(" ")) } : {};
      return { model: { ...own, ...joined }, normalizer, pre_tokenizer, post_processor, decoder, added_tokens: added };
    };
    const first = "a";
    const named = {
      bos_token: first,
      eos_token: { content: first, lstrip: false },
      additional_special_tokens: [first],
    };
    const files: Record<string, unknown> = {
      "generation_config.json": { eos_token_id: [1, 2], bos_token_id: 1, pad_token_id: 0 },
      "tokenizer_config.json": {
        ...named,
        added_tokens_decoder: { 420: { content: "<x>", special: true } },
        chat_template:
          "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}{{ bos_token }}",
        add_bos_token: true,
      },
      "special_tokens_map.json": named,
      "added_tokens.json": { "<x>": 420, "<y>": 421 },
    };
    for (const [name, value] of Object.entries(files)) write(name, value);

    it("tokenizer.json, of 95 kinds", async () => {
      for (const [name, value] of Object.entries(files)) if (name !== "generation_config.json") write(name, value);
      const total = { used: 0, refused: 0 };
      for (const [i, kind] of golden.cases.entries()) {
        write("tokenizer.json", tokenizerOf(kind));
        const seen = await fuzz(folder, "tokenizer.json", 22, useTokenizer, i);
        total.used += seen.used;
        total.refused += seen.refused;
      }
      expect(Math.min(total.used, total.refused), JSON.stringify(total)).toBeGreaterThan(100);
    });

    it.each(Object.keys(files))("%s", async (file) => {
      write("tokenizer.json", tokenizerOf(golden.cases.find(({ model }) => model === "bytes")!));
      enough(await fuzz(folder, file, 2000, useTokenizer));
    });
  });
});
