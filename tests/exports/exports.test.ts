/**
 * Models that left, in the programs they left for. Needs node-llama-cpp and transformers.js, installed by tests/exports/run.sh
 * in the folder that EVOKE_TEST_EXPORTS names, and real models in EVOKE_TEST_MODELS (GGUF files, separated by commas).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/open.js";
import { writeGgufAdapter } from "../../src/export/gguf/adapter.js";
import { writeGgufModel } from "../../src/export/gguf/model.js";
import { writeOnnxFolder } from "../../src/export/onnx/model.js";
import { loadDecoderWeights } from "../../src/model/weights.js";
import { mergedCheckpoint } from "../../src/peft/merged-checkpoint.js";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.js";
import { type Answers, differences, someAdapter } from "./compare.js";
import { askPeer, peers, realModels } from "./peers.js";

const models = [fileURLToPath(new URL("../../models/mini", import.meta.url)), ...realModels];
const COUNT = 32;
const TEXTS = ["The capital of France is", "Once upon a time, there was", "Name a colour.", "1 2 3 4", "Grüße aus"];
const root = mkdtempSync(join(tmpdir(), "evoke-exports-"));
afterAll(() => rmSync(root, { recursive: true }));

const run = (program: "llama-cpp" | "transformers-js", path: string, request: object): Answers =>
  askPeer(program, path, request) as Answers;

describe.skipIf(peers === "")("llama.cpp", () => {
  it.each(models)(
    "writes the greedy tokens of %s, plain, with an adapter merged, and with it as GGUF LoRA",
    async (path) => {
      const checkpoint = openCheckpoint(path);
      const weights = loadDecoderWeights(checkpoint);
      const tokenizer = await loadTokenizer(path);
      const adapter = someAdapter(weights);
      const file = (name: string): string => join(root, `${basename(path)}-${name}.gguf`);
      const options = { encoding: "f32", chat: { template: tokenizer.chatTemplate, stops: [] }, name: "test" } as const;
      writeGgufModel(checkpoint, path, tokenizer, file("plain"), options);
      writeGgufModel(mergedCheckpoint(checkpoint, adapter), path, tokenizer, file("merged"), options);
      writeGgufAdapter(adapter, checkpoint.config, weights.config, file("lora"), "f32", path);
      const request = { prompts: TEXTS, count: COUNT };
      for (const [form, theirs, used] of [
        ["plain", run("llama-cpp", file("plain"), request), undefined],
        ["merged", run("llama-cpp", file("merged"), request), adapter],
        ["lora", run("llama-cpp", file("plain"), { ...request, lora: file("lora") }), adapter],
      ] as const) {
        expect(theirs.answers.map(({ prompt }) => prompt)).toEqual(TEXTS.map((text) => [...tokenizer.encode(text)]));
        expect(theirs.template).toBe(tokenizer.chatTemplate);
        const gaps = await differences(weights, theirs.answers, used);
        const other = gaps.filter((gap) => gap > 0);
        console.log(
          `${basename(path)} ${form}: ${gaps.length} tokens, ${other.length} near-ties, widest ${Math.max(0, ...other)}`,
        );
        expect(Math.max(0, ...other)).toBeLessThan(0.01);
      }
      checkpoint.close();
    },
  );
});

describe.skipIf(peers === "")("transformers.js", () => {
  it.each(models)("writes the greedy tokens of %s, with an adapter merged", async (path) => {
    const checkpoint = openCheckpoint(path);
    const weights = loadDecoderWeights(checkpoint);
    const tokenizer = await loadTokenizer(path);
    const adapter = someAdapter(weights);
    const request = { prompts: TEXTS, count: COUNT };
    for (const [storage, dtype] of [
      ["f32", "fp32"],
      ["q4", "q4"],
    ] as const) {
      const folder = join(root, `${basename(path).replace(/\W/g, "-")}-${storage}`);
      writeOnnxFolder(mergedCheckpoint(checkpoint, adapter), path, folder, storage);
      const theirs = run("transformers-js", folder, { ...request, dtype });
      expect(theirs.answers.map(({ prompt }) => prompt)).toEqual(TEXTS.map((text) => [...tokenizer.encode(text)]));
      const gaps = await differences(weights, theirs.answers, adapter);
      const other = gaps.filter((gap) => gap > 0);
      console.log(
        `${basename(path)} ${storage}: ${gaps.length} tokens, ${other.length} others, widest ${Math.max(0, ...other)}`,
      );
      if (storage === "f32") expect(Math.max(0, ...other)).toBeLessThan(0.01);
    }
    checkpoint.close();
  });
});
