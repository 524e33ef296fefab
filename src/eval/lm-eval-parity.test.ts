/**
 * lm-evaluation-harness on SmolLM2-135M-Instruct (tools/golden/lm_eval.py): the same requests, figures and choices from its
 * log-probabilities; and, where EVOKE_TEST_SMOLLM2 names the model, the same log-probabilities from our engine.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeModel, fakeContext } from "../../tests/support/eval-fake-model.js";
import type { JsonRow } from "../files/jsonl.js";
import { readAllJsonl } from "../files/jsonl.js";
import { withJournal } from "../llm/journal.js";
import { resolveLanguageModel } from "../llm/resolve.js";
import { renderTulu } from "../model/chat-template.js";
import { runSuites } from "./run-suites.js";
import type { SuiteContext } from "./suite.js";

interface GoldenRun {
  task: string;
  shots: number;
  template: "tulu" | "none";
  rows: number;
  metrics: Record<string, number>;
  samples?: { request: string; logprob: number; greedy: boolean }[][];
  answers?: { doc: number; filter: string; answer: string; exact_match: number; context: string }[];
}

const path = fileURLToPath(new URL("fixtures/lm-eval.json", import.meta.url));
const golden = JSON.parse(readFileSync(path, "utf8")) as { runs: GoldenRun[] };
const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const dataDir = process.env.EVOKE_DATA ?? join(root, "..", "shared", "data");
const modelPath = process.env.EVOKE_TEST_SMOLLM2;
const hasData = existsSync(join(dataDir, "core"));
const EOS = "<|im_end|>";

const digest = (...texts: string[]): string => createHash("sha256").update(JSON.stringify(texts)).digest("hex");
const nameOf = ({ task, shots, template }: GoldenRun): string => `${task}, ${shots} shots, template ${template}`;
const choices = golden.runs.filter(({ samples }) => samples);
const written = golden.runs.filter(({ answers }) => answers);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-parity-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The context of a golden run; MMLU's one subject is cut out of the whole. */
async function contextOf({ task, shots, template, rows }: GoldenRun): Promise<Partial<SuiteContext>> {
  const base = {
    shots,
    limit: rows,
    source: { dataDir },
    ...(template === "tulu"
      ? {
          template,
          chat: (messages: Parameters<typeof renderTulu>[0]) =>
            renderTulu(messages, EOS, { addGenerationPrompt: true }),
        }
      : {}),
  };
  if (task === "hellaswag")
    return { ...base, files: { hellaswag: join(dataDir, "core/hellaswag/validation_499_raw.jsonl") } };
  if (!task.startsWith("mmlu_")) return base;
  const own = join(folder, task);
  mkdirSync(join(own, "core", "mmlu"), { recursive: true });
  for (const split of ["test", "dev"]) {
    const all = await readAllJsonl(join(dataDir, "core", "mmlu", `${split}.jsonl`));
    const members = all.filter(({ subject }) => `mmlu_${subject}` === task);
    writeFileSync(
      join(own, "core", "mmlu", `${split}.jsonl`),
      members.map((row) => `${JSON.stringify(row)}\n`).join(""),
    );
  }
  return { ...base, source: { dataDir: own } };
}

let count = 0;
async function run(
  model: FakeModel,
  golden: GoldenRun,
): Promise<{ metrics: Record<string, { value: number | null; stderr: number | null }>; samples: JsonRow[] }> {
  const suite = golden.task.startsWith("mmlu") ? "mmlu" : golden.task;
  const { context, close } = fakeContext(join(folder, `run-${count++}`), model, await contextOf(golden));
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

describe.skipIf(!hasData)("requests and figures of lm-evaluation-harness (skipped without data)", () => {
  it.each(choices.map((each) => [nameOf(each), each] as const))("%s", async (_, each) => {
    const logprobs = new Map(each.samples!.flat().map(({ request, logprob }) => [request, logprob]));
    const model = new FakeModel({
      score: ({ context, continuation }) => {
        const logprob = logprobs.get(digest(context, continuation));
        if (logprob === undefined)
          throw new Error(`a request that the harness does not make: ${context}${continuation}`);
        return logprob;
      },
    });
    const { metrics, samples } = await run(model, each);
    expect(samples.map((sample) => sample.logprobs)).toEqual(
      each.samples!.map((row) => row.map(({ logprob }) => logprob)),
    );
    for (const name of Object.keys(metrics)) {
      expect(metrics[name]!.value).toBeCloseTo(each.metrics[`${name},none`]!, 9);
      const stderr = each.metrics[`${name}_stderr,none`];
      if (stderr !== undefined) expect(metrics[name]!.stderr).toBeCloseTo(stderr, 9);
    }
  });

  it.each(written.map((each) => [nameOf(each), each] as const))("%s", async (_, each) => {
    const prompts: string[] = [];
    const model = new FakeModel({ answer: (text) => String(prompts.push(text)) });
    await run(model, each);
    const contexts = each.answers!.filter(({ filter }) => filter === "strict-match").map(({ context }) => context);
    expect(prompts.map((prompt) => digest(prompt))).toEqual(contexts);
  });
});

describe.skipIf(!hasData || !modelPath)("our engine (skipped unless EVOKE_TEST_SMOLLM2 names the model)", () => {
  it.each(choices.map((each) => [nameOf(each), each] as const))(
    "%s: log-probabilities within 1e-3",
    { timeout: 600_000 },
    async (_, each) => {
      const model = await resolveLanguageModel(modelPath!);
      const out = join(folder, `real-${count++}`);
      const journaled = withJournal(model, join(out, "journal.jsonl"));
      const suite = each.task.startsWith("mmlu") ? "mmlu" : each.task;
      const { context } = fakeContext(out, undefined, await contextOf(each));
      const results = await runSuites([suite], { ...context, model: journaled });
      journaled.close();
      const samples = await readAllJsonl(join(out, "samples", `${suite}.jsonl`));
      const differences = samples.flatMap((sample, i) =>
        (sample.logprobs as number[]).map((logprob, k) => Math.abs(logprob - each.samples![i]![k]!.logprob)),
      );
      expect(differences.length).toBeGreaterThan(0);
      expect(Math.max(...differences)).toBeLessThan(1e-3);
      expect(results[suite]!.metrics.acc!.value).toBeCloseTo(each.metrics["acc,none"]!, 9);
      expect(samples.map((sample) => sample.is_greedy)).toEqual(
        each.samples!.map((row) => row.map(({ greedy }) => greedy)),
      );
    },
  );

  it.each(written.map((each) => [nameOf(each), each] as const))(
    "%s: the same answers",
    { timeout: 900_000 },
    async (_, each) => {
      const model = await resolveLanguageModel(modelPath!, { weights: "float32" });
      const out = join(folder, `real-${count++}`);
      const journaled = withJournal(model, join(out, "journal.jsonl"));
      const { context } = fakeContext(out, undefined, await contextOf(each));
      await runSuites([each.task], { ...context, model: journaled });
      journaled.close();
      const samples = await readAllJsonl(join(out, "samples", `${each.task}.jsonl`));
      const answers = (filter: string) =>
        each.answers!.filter((answer) => answer.filter === filter).map(({ answer }) => answer);
      expect(samples.map(({ answer_strict }) => answer_strict)).toEqual(answers("strict-match"));
      expect(samples.map(({ answer_flexible }) => answer_flexible)).toEqual(answers("flexible-extract"));
    },
  );
});
