/** GPT-2 as the Hub has it: names without their first part, and the causal masks that older versions saved. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { stretchedModel } from "../../../tests/support/stretched-model.js";
import type { Checkpoint } from "../../checkpoint/open.js";
import { openCheckpoint } from "../../checkpoint/open.js";
import { loadTokenizer } from "../../tokenizer/tokenizer.js";
import { writeGgufModel } from "./model.js";

const root = mkdtempSync(join(tmpdir(), "evoke-short-"));
afterAll(() => rmSync(root, { recursive: true }));
const mini = fileURLToPath(new URL("../../../models/mini", import.meta.url));

it.each([
  ["gpt2", "transformer.", ["h.0.attn.bias", "h.1.attn.masked_bias"]],
  ["gpt-neox", "gpt_neox.", ["layers.0.attention.bias", "layers.0.attention.rotary_emb.inv_freq"]],
  ["llama", "model.", ["layers.0.self_attn.rotary_emb.inv_freq"]],
])("%s", async (name, first, buffers) => {
  const whole = stretchedModel(name);
  const long = (weight: string): string => (whole.has(weight) ? weight : `${first}${weight}`);
  const short: Checkpoint = {
    ...whole,
    names: () => [...whole.names().map((weight) => weight.replace(first, "")), ...buffers],
    info: (weight) => whole.info(long(weight)),
    read: (weight) => whole.read(long(weight)),
  };
  const path = join(root, `${name}.gguf`);
  const options = { encoding: "f32", chat: { stops: [] }, name } as const;
  writeGgufModel(short, mini, await loadTokenizer(mini), path, options);
  const written = openCheckpoint(path);
  expect(written.names()).toHaveLength(whole.names().length);
  for (const weight of whole.names()) {
    const there = written.has(weight) ? weight : "embed_out.weight";
    expect(written.read(there), weight).toEqual(whole.read(weight));
  }
  written.close();
  whole.close();
});
