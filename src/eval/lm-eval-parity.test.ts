/**
 * lm-evaluation-harness on SmolLM2-135M-Instruct (tools/golden/lm_eval.py): the same requests, and the same figures and
 * choices from its log-probabilities. tests/slow/lm-eval-parity.test.ts has our engine compute them.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeModel, fakeContext } from "../../tests/support/eval-fake-model.js";
import {
  answerRuns,
  choiceRuns,
  chosen,
  contextOf,
  dataDir,
  digest,
  type GoldenRun,
  nameOf,
  suiteOf,
} from "../../tests/support/lm-eval-golden.js";
import { readAllJsonl } from "../files/jsonl.js";
import { runSuites } from "./run-suites.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-parity-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
async function run(model: FakeModel, golden: GoldenRun) {
  const suite = suiteOf(golden);
  const { context, close } = fakeContext(join(folder, `run-${count++}`), model, await contextOf(golden, folder));
  try {
    const results = await runSuites([suite], context);
    return {
      metrics: results[suite]!.metrics,
      samples: await readAllJsonl(join(context.out, "samples", `${suite}.jsonl`)),
    };
  } finally {
    close();
  }
}

describe.skipIf(!existsSync(join(dataDir, "core")))(
  "requests and figures of lm-evaluation-harness (skipped without data)",
  () => {
    it.each(choiceRuns.map((each) => [nameOf(each), each] as const))("%s", async (_, each) => {
      const golden = each.samples!.map((row) => row.map(([, logprob]) => logprob));
      const logprobs = new Map(each.samples!.flat().map(([request, logprob]) => [request, logprob]));
      const model = new FakeModel({
        score: ({ context, continuation }) => {
          const logprob = logprobs.get(digest(context, continuation));
          if (logprob === undefined)
            throw new Error(`a request that the harness does not make: ${context}${continuation}`);
          return logprob;
        },
      });
      const { metrics, samples } = await run(model, each);
      expect(samples.map((sample) => sample.logprobs)).toEqual(golden);
      expect(samples.map((sample) => sample.predicted)).toEqual(golden.map(chosen));
      for (const name of Object.keys(metrics)) {
        expect(metrics[name]!.value).toBeCloseTo(each.metrics[`${name},none`]!, 9);
        expect(metrics[name]!.stderr).toBeCloseTo(each.metrics[`${name}_stderr,none`]!, 9);
      }
    });

    it.each(answerRuns.map((each) => [nameOf(each), each] as const))("%s", async (_, each) => {
      const prompts: string[] = [];
      const model = new FakeModel({ answer: (text) => String(prompts.push(text)) });
      await run(model, each);
      const contexts = each.answers!.filter(({ filter }) => filter === "strict-match").map(({ context }) => context);
      expect(prompts.map((prompt) => digest(prompt))).toEqual(contexts);
    });
  },
);
