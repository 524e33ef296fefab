import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dataDir, suiteRuns } from "../../../tests/support/suite-runs.js";
import { readAllJsonl } from "../../files/jsonl.js";
import { corpusBleu } from "../../metrics/bleu.js";
import { meanRouge } from "../../metrics/rouge.js";
import type { ModelScores } from "./user-tasks.js";

const { run } = suiteRuns();

describe.skipIf(!existsSync(dataDir))("user_tasks (skipped without the shared data)", () => {
  it("joins all 252 with the eight predictions, whose scores equal the metrics' own", async () => {
    const published = await readAllJsonl(join(dataDir, "self_instruct/predictions/text-davinci-003_predictions.jsonl"));
    const responses = published.map((row) => String(row.response).trim());
    const targets = published.map((row) => String(row.target));
    const byTarget = new Map(
      published.map((row) => [`${row.instruction}`.trim() + `${row.input}`.trim(), String(row.response)]),
    );
    const tasks = await readAllJsonl(join(dataDir, "self_instruct/user_oriented_instructions.jsonl"));
    const prompts = new Map(
      tasks.map((row) => {
        const { input } = (row.instances as { input: string }[])[0]!;
        const said = byTarget.get(String(row.instruction).trim() + input.trim())!;
        return [input ? `${row.instruction}\n\n${input}` : String(row.instruction), said];
      }),
    );
    const { result } = await run("user_tasks", { answer: (text) => prompts.get(text)! }, undefined, {
      source: { dataDir },
    });
    expect(result).toMatchObject({ n: 252, missing: 0 });
    const models = result.details!.models as Record<string, ModelScores>;
    expect(Object.keys(models)).toHaveLength(9);
    expect(Object.values(models).every(({ n }) => n === 252)).toBe(true);
    // Rows come in the tasks' order here; corpus BLEU does not depend on it but for rounding.
    expect(result.metrics.bleu!.value).toBeCloseTo(corpusBleu(responses, targets).score, 9);
    expect(result.metrics.rougeL!.value).toBeCloseTo(
      meanRouge(targets, responses, ["rougeL"], { stemmer: true }).rougeL,
      12,
    );
    expect(models.fake).toEqual(models["text-davinci-003"]);
    const outputs = join(dataDir, "self_instruct/predictions/text-davinci-003_predictions.jsonl");
    const read = await run("user_tasks", {}, undefined, { source: { dataDir }, outputs: [outputs] });
    expect(read.model.calls).toBe(0);
    expect(read.result.metrics).toEqual(result.metrics);
    const parts = Object.values(models.fake!.applications);
    expect(parts.reduce((sum, { n }) => sum + n, 0)).toBe(252);
  });

  it("keeps a model that is called like a published one apart from it", async () => {
    const { result } = await run("user_tasks", { answer: () => "" }, undefined, {
      source: { dataDir },
      generator: "text-davinci-003",
    });
    const { own, models } = result.details as { own: string; models: Record<string, ModelScores> };
    expect(own).toBe("text-davinci-003 (this run)");
    expect(Object.keys(models)).toHaveLength(9);
    expect(models[own]!.bleu).toBe(0);
    expect(models["text-davinci-003"]!.bleu).toBeGreaterThan(1);
  });
});
