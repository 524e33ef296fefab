/** Log-probabilities and answers of our engine against lm-evaluation-harness's on the same model (tools/golden/lm_eval.py). */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runSuites } from "../../src/eval/run-suites.js";
import { readAllJsonl } from "../../src/files/jsonl.js";
import { withJournal } from "../../src/llm/journal.js";
import { type ResolvedModel, resolveLanguageModel } from "../../src/llm/resolve.js";
import { fakeContext } from "../support/eval-fake-model.js";
import {
  answerRuns,
  choiceRuns,
  chosen,
  contextOf,
  dataDir,
  type GoldenRun,
  nameOf,
  suiteOf,
} from "../support/lm-eval-golden.js";

const path = process.env.EVOKE_TEST_SMOLLM2;
const hasData = existsSync(join(dataDir, "core"));

describe.skipIf(!hasData || !path)("our engine (set EVOKE_TEST_SMOLLM2 to SmolLM2's GGUF file; needs the data)", () => {
  let folder: string;
  let model: ResolvedModel;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "evoke-parity-"));
    model = await resolveLanguageModel(path!, { weights: "float32", device: "cpu" });
  });
  afterAll(async () => {
    await model?.dispose?.();
    rmSync(folder, { recursive: true, force: true });
  });

  let count = 0;
  async function run(golden: GoldenRun) {
    const out = join(folder, `run-${count++}`);
    const journaled = withJournal(model, join(out, "journal.jsonl"));
    const { context } = fakeContext(out, undefined, await contextOf(golden, folder));
    const suite = suiteOf(golden);
    const results = await runSuites([suite], { ...context, model: journaled });
    journaled.close();
    return {
      metrics: results[suite]!.metrics,
      samples: await readAllJsonl(join(out, "samples", `${suite}.jsonl`)),
    };
  }

  it.each(choiceRuns.map((each) => [nameOf(each), each] as const))(
    "%s: log-probabilities within 1e-3, the same choices and figures",
    { timeout: 1_200_000 },
    async (_, each) => {
      const { metrics, samples } = await run(each);
      const golden = each.samples!.map((row) => row.map(([, logprob]) => logprob));
      expect(samples).toHaveLength(golden.length);
      samples.forEach((sample, i) => {
        (sample.logprobs as number[]).forEach((logprob, k) => {
          expect(Math.abs(logprob - golden[i]![k]!), `row ${i}, choice ${k}`).toBeLessThan(1e-3);
        });
      });
      expect(samples.map(({ predicted }) => predicted)).toEqual(golden.map(chosen));
      expect(samples.map((sample) => (sample.is_greedy as boolean[]).map(Number))).toEqual(
        each.samples!.map((row) => row.map(([, , greedy]) => greedy)),
      );
      for (const name of Object.keys(metrics)) {
        expect(metrics[name]!.value).toBeCloseTo(each.metrics[`${name},none`]!, 9);
        expect(metrics[name]!.stderr).toBeCloseTo(each.metrics[`${name}_stderr,none`]!, 9);
      }
    },
  );

  it.each(answerRuns.map((each) => [nameOf(each), each] as const))(
    "%s: the same answers",
    { timeout: 1_800_000 },
    async (_, each) => {
      const { samples } = await run(each);
      const answers = (filter: string) =>
        each.answers!.filter((answer) => answer.filter === filter).map(({ answer }) => answer);
      expect(samples.map(({ answer_strict }) => answer_strict)).toEqual(answers("strict-match"));
      expect(samples.map(({ answer_flexible }) => answer_flexible)).toEqual(answers("flexible-extract"));
    },
  );
});
