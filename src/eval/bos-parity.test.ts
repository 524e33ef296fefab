/** With a tokenizer that adds BOS: lm-evaluation-harness 0.4.13, and the rule of 0.4.5 (tools/golden/lm_eval_bos.py). */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Generator } from "../generate/generator.js";
import golden from "./fixtures/lm-eval-bos.json" with { type: "json" };

const mini = fileURLToPath(new URL("../../models/mini", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "evoke-bos-"));
let generator: Generator;

beforeAll(async () => {
  cpSync(mini, folder, { recursive: true });
  const edit = (name: string, change: (value: Record<string, unknown>) => object) =>
    writeFileSync(join(folder, name), JSON.stringify(change(JSON.parse(readFileSync(join(folder, name), "utf8")))));
  const token = "<|endoftext|>";
  edit("tokenizer.json", (tokenizer) => ({
    ...tokenizer,
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: token, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
      special_tokens: { [token]: { id: token, ids: [0], tokens: [token] } },
    },
  }));
  edit("tokenizer_config.json", (config) => ({ ...config, bos_token: token }));
  generator = await Generator.open(folder, {});
});
afterAll(async () => {
  await generator.dispose();
  rmSync(folder, { recursive: true });
});

it.each([
  ["tokenizer", {}],
  ["none", { bos: "none" as const }],
] as const)("scores 50 pairs as the harness does: %s", async (how, choice) => {
  const pairs = golden.pairs.map(([context, continuation]) => ({
    context: context!,
    continuation: continuation!,
    ...choice,
  }));
  const scores = await generator.score(pairs);
  const differences = scores.map(({ logprob }, i) => Math.abs(logprob - (golden[how][i]![0] as number)));
  expect(Math.max(...differences)).toBeLessThan(1e-3);
  expect(scores.map(({ isGreedy }) => isGreedy)).toEqual(golden[how].map(([, greedy]) => greedy));
});

it("is a choice that changes figures", () => {
  const largest = Math.max(
    ...golden.tokenizer.map(([logprob], i) => Math.abs(Number(logprob) - Number(golden.none[i]![0]))),
  );
  expect(largest).toBeGreaterThan(0.1);
});
