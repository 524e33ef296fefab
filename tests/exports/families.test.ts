/**
 * A tiny model of every family as GGUF files in llama.cpp: in float32, with an adapter as GGUF LoRA, and in blocks of 8 and 4
 * bits, whose products llama.cpp computes with activations of 8 bits; as ONNX in transformers.js; merged in transformers
 * (EVOKE_TEST_PYTHON).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/open.js";
import { writeGgufAdapter } from "../../src/export/gguf/adapter.js";
import { writeGgufModel } from "../../src/export/gguf/model.js";
import { chatFiles } from "../../src/export/hf-files.js";
import { writeModelFolder } from "../../src/export/model-folder.js";
import { CONVERSATIONS } from "../../src/export/ollama/turns.js";
import { writeOnnxFolder } from "../../src/export/onnx/model.js";
import { encodeMessages } from "../../src/generate/prompt.js";
import { PackedModel } from "../../src/model/packed-model.js";
import { packRow } from "../../src/model/packed-row.js";
import { loadDecoderWeights } from "../../src/model/weights.js";
import { mergeAdapter } from "../../src/peft/merge.js";
import { Device } from "../../src/runtime/device.js";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.js";
import { randomModel } from "../support/random-model.js";
import { LLAMA_CPP_FIELDS, stretchedModel } from "../support/stretched-model.js";
import { type Answers, differences, someAdapter } from "./compare.js";
import { askPeer, askPython, peers, python } from "./peers.js";

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

function tell(name: string, form: string, gaps: number[]): void {
  const other = gaps.filter((gap) => gap > 0);
  console.log(`${name} ${form}: ${gaps.length} tokens, ${other.length} others, widest ${Math.max(0, ...other)}`);
}

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
        const most = Math.max(0, ...values);
        tell(name, `${lora ?? form} (${from})`, values);
        if (form === "f32") expect(most, `${form} ${from}`).toBeLessThan(widest[name] ?? 0.005);
        else expect(most, form).toBeLessThan(1);
      }
    }
    checkpoint.close();
  });
});

describe.skipIf(peers === "")("transformers.js on a tiny model", () => {
  const known = ["llama", "llama-tied-rope3", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "olmo-clip", "olmo2"];
  it.each(known)("of %s writes the same greedy tokens", async (name) => {
    const checkpoint = randomModel(name, { head_dim: 16, vocab_size: 192 });
    const weights = loadDecoderWeights(checkpoint);
    const folder = join(root, `${name}-onnx`);
    writeOnnxFolder(checkpoint, mini, folder, "f32", { stops: [] });
    const request = { prompts: PROMPTS, count: COUNT, dtype: "fp32" };
    const theirs = askPeer("transformers-js", folder, request) as Answers;
    const gaps = await differences(weights, theirs.answers);
    tell(name, "onnx f32", gaps);
    expect(gaps.length).toBeGreaterThan(COUNT);
    expect(Math.max(...gaps)).toBeLessThan(0.005);
  });
});

describe.skipIf(python === "")("transformers on a tiny merged model", () => {
  it.each([...families, "fp8-block"])("of %s gives the same logits and greedy tokens", async (name) => {
    const checkpoint = stretchedModel(name, {});
    const weights = loadDecoderWeights(checkpoint);
    const targets = weights.config.block.linears.map((linear) => linear.name);
    const adapter = someAdapter(weights, targets, 0.2);
    const folder = join(root, `${name}-merged`);
    mergeAdapter(checkpoint, mini, adapter, folder, { dtype: "F32", chat: { stops: [] } });
    checkpoint.close();
    const theirs = askPython(folder, { prompts: PROMPTS, count: COUNT }) as Answers & { logits: number[][] };
    const gaps = await differences(weights, theirs.answers, adapter);
    tell(name, "merged", gaps);
    expect(gaps.length).toBeGreaterThan(COUNT);
    expect(Math.max(...gaps)).toBeLessThan(1e-3);
    const reread = openCheckpoint(folder);
    const model = new PackedModel(loadDecoderWeights(reread), await Device.open({ threads: 1 }));
    reread.close();
    for (const [i, ids] of PROMPTS.entries()) {
      const found = await model.logits(await model.hidden(packRow([ids])), [ids.length - 1]);
      expect(Math.max(...theirs.logits[i]!.map((x, j) => Math.abs(x - found[j]!)))).toBeLessThan(1e-4);
    }
    await model.dispose();
  });

  it("prompts as it was trained", async () => {
    const checkpoint = openCheckpoint(mini);
    const tokenizer = await loadTokenizer(mini);
    const folder = join(root, "mini-merged");
    writeModelFolder(checkpoint, mini, folder, { dtype: "F32", chat: chatFiles(tokenizer, "tulu") });
    checkpoint.close();
    const chats = CONVERSATIONS.map((messages) => [...messages]);
    const theirs = askPython(folder, { chats, prompts: [], count: 0 }) as { prompts: number[][] };
    const ours = await Promise.all(chats.map((messages) => encodeMessages(tokenizer, messages, "tulu")));
    expect(theirs.prompts).toEqual(ours.map(({ tokens }) => tokens));
  });
});
