import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEmbeddedModel, type EmbeddedModel } from "../../llm/embedded.js";
import { withJournal } from "../../llm/journal.js";
import { chatRendering } from "../chat-rendering.js";
import { runSuites } from "../run-suites.js";
import type { SuiteContext } from "../suite.js";

const at = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const rows = at("examples/data/quickstart-train.jsonl");
const golden = JSON.parse(
  readFileSync(fileURLToPath(new URL("fixtures/response-ranking.json", import.meta.url)), "utf8"),
) as {
  pair_accuracy: number;
  rows: { own: [number, number]; draw: number[]; drawn: [number, number][]; alone: number }[];
};

let model: EmbeddedModel;
const folder = mkdtempSync(join(tmpdir(), "evoke-ranking-"));

beforeAll(async () => {
  model = await createEmbeddedModel("bundled:mini", { template: "tulu" });
});
afterAll(async () => {
  await model.dispose();
  rmSync(folder, { recursive: true });
});

async function run(suite: string, more: Partial<SuiteContext>) {
  const out = mkdtempSync(join(folder, "run-"));
  const journaled = withJournal(model, join(out, "journal.jsonl"));
  const context: SuiteContext = {
    model: journaled,
    generator: "mini",
    out,
    source: {},
    files: { [suite]: rows },
    skipInvalid: false,
    say: () => {},
    progress: () => () => {},
    ...(await chatRendering(model, "tulu")),
    ...more,
  };
  try {
    const results = await runSuites([suite], context);
    const lines = readFileSync(join(out, "samples", `${suite}.jsonl`), "utf8")
      .trim()
      .split("\n");
    return { result: results[suite]!, samples: lines.map((line) => JSON.parse(line)) };
  } finally {
    journaled.close();
  }
}

describe("response_ranking", () => {
  it("gives the scores and the figure of a reference by transformers, with the same draw", async () => {
    const { result, samples } = await run("response_ranking", { limit: golden.rows.length });
    for (const [i, { own, draw, drawn, alone }] of golden.rows.entries()) {
      const sample = samples[i];
      expect(sample.drawn.map(({ place }: { place: number }) => place)).toEqual(draw);
      for (const [[logprob, tokens], ours] of [
        [own, sample.own] as const,
        ...drawn.map((each, j) => [each, sample.drawn[j]] as const),
      ]) {
        expect(ours.tokens).toBe(tokens);
        expect(Math.abs(ours.logprob - logprob)).toBeLessThan(1e-3);
      }
      expect(Math.abs(sample.alone - alone)).toBeLessThan(1e-3);
    }
    expect(result.metrics.pair_accuracy!.value).toBeCloseTo(golden.pair_accuracy, 12);
    expect(result).toMatchObject({ n: 20, missing: 0, config: { drawn: 5, seed: 0 } });
  });

  it("takes scores of a stopped run from its journal, and other draws with another seed or k", async () => {
    const a = await run("response_ranking", { limit: 4 });
    const b = await run("response_ranking", { limit: 4, drawn: 2, seed: 1 });
    expect(b.samples[0].drawn).toHaveLength(2);
    expect(b.result.config!.requests_sha256).not.toBe(a.result.config!.requests_sha256);
  });

  it("says what it needs", async () => {
    await expect(run("response_ranking", { model: undefined })).rejects.toThrow("--model");
    await expect(run("response_ranking", { responseText: undefined })).rejects.toThrow("--chat-template tulu");
    await expect(run("reference_likelihood", { files: {} })).rejects.toThrow("--rows reference_likelihood=DATA");
  });
});

describe("reference_likelihood", () => {
  it("scores the same response after its own instruction, another and none", async () => {
    const { result, samples } = await run("reference_likelihood", { limit: 20 });
    let own = 0;
    let none = 0;
    let tokens = 0;
    for (const [i, row] of golden.rows.entries()) {
      expect(Math.abs(samples[i].own - row.own[0])).toBeLessThan(1e-3);
      expect(Math.abs(samples[i].none - row.alone)).toBeLessThan(1e-3);
      expect(samples[i].other).toBeLessThan(0);
      own += row.own[0];
      none += row.alone;
      tokens += row.own[1];
    }
    expect(result.metrics.logprob_per_token!.value).toBeCloseTo(own / tokens, 4);
    expect(result.metrics.bits_per_token!.value).toBeCloseTo((own - none) / tokens / Math.LN2, 4);
    expect(result.metrics.bits_per_token!.stderr).toBeGreaterThan(0);
  });
});
