/**
 * A tiny model of every family as GGUF files in llama.cpp: in float32, with an adapter as GGUF LoRA, and in blocks of 8 and 4
 * bits, whose products llama.cpp computes with activations of 8 bits.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/open.js";
import { writeGgufAdapter } from "../../src/export/gguf/adapter.js";
import { writeGgufModel } from "../../src/export/gguf/model.js";
import { loadDecoderWeights } from "../../src/model/weights.js";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.js";
import { LLAMA_CPP_FIELDS, stretchedModel } from "../support/stretched-model.js";
import { type Answers, differences, someAdapter } from "./compare.js";
import { askPeer, peers } from "./peers.js";

const mini = fileURLToPath(new URL("../../models/mini", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "evoke-families-"));
afterAll(() => rmSync(root, { recursive: true }));
const COUNT = 32;
const PROMPTS = [
  [5, 9, 21, 40],
  [100, 3, 77],
  [190, 150, 120, 60, 30, 15],
  Array.from({ length: 24 }, (_, i) => 8 + 7 * i),
];

const families = [
  ...["llama", "llama-bias", "llama-tied-rope3", "mistral", "qwen2", "qwen2-untied", "qwen3", "gemma2", "gemma3"],
  ...["olmo", "olmo-clip", "olmo2", "olmo3", "smollm3", "granite", "phi3", "gpt-neox", "gpt2"],
];

/** How much likelier another token may be, in logits: GPT-NeoX' exact GELU is another function in llama.cpp. */
const widest: Record<string, number> = { "gpt-neox": 0.05 };

describe.skipIf(peers === "")("llama.cpp on a tiny model", () => {
  it.each(families)("of %s writes the same greedy tokens", async (name) => {
    const checkpoint = stretchedModel(name, LLAMA_CPP_FIELDS[name]);
    const tokenizer = await loadTokenizer(mini);
    const weights = loadDecoderWeights(checkpoint);
    const targets = weights.config.block.linears.map((linear) => linear.name);
    const adapter = someAdapter(weights, targets, 0.2);
    const file = (kind: string): string => join(root, `${name}-${kind}.gguf`);
    for (const encoding of ["f32", "q8_0", "q4_0"] as const)
      writeGgufModel(checkpoint, mini, tokenizer, file(encoding), { encoding, chat: { stops: [] }, name });
    writeGgufAdapter(adapter, checkpoint.config, weights.config, file("lora"), "f32", name);
    const request = { prompts: PROMPTS, count: COUNT, contextSize: 256, float32Cache: true };
    for (const [form, lora] of [["f32"], ["f32", "lora"], ["q8_0"], ["q4_0"]] as [string, string?][]) {
      const theirs = askPeer("llama-cpp", file(form), lora ? { ...request, lora: file(lora) } : request) as Answers;
      const stored = openCheckpoint(file(form));
      const gaps = await differences(loadDecoderWeights(stored), theirs.answers, lora ? adapter : undefined);
      stored.close();
      const ours = form === "f32" ? await differences(weights, theirs.answers, lora ? adapter : undefined) : gaps;
      for (const [from, values] of [
        ["file", gaps],
        ["model", ours],
      ] as const) {
        const other = values.filter((gap) => gap > 0);
        const most = Math.max(0, ...other);
        console.log(
          `${name} ${lora ?? form} (${from}): ${values.length} tokens, ${other.length} others, widest ${most}`,
        );
        if (form === "f32") expect(most, `${form} ${from}`).toBeLessThan(widest[name] ?? 0.005);
        else expect(most, form).toBeLessThan(1);
      }
    }
    checkpoint.close();
  });
});
