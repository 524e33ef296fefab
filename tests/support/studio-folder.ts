/** A runs folder as trainings, evaluations and experiments leave it, without their work. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "../../src/random/counter.js";
import { experimentHtml } from "../../src/report/experiment/html.js";
import type { ExperimentReport } from "../../src/report/experiment/report-data.js";

const HOUR = 3_600_000;

function write(path: string, value: unknown): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, typeof value === "string" ? value : `${JSON.stringify(value, null, 2)}\n`);
}

/** A finished run with the curve of a training that went well. */
export function writeRun(
  folder: string,
  options: { mode: string; steps: number; status?: string; start?: number },
): void {
  const { mode, steps, status = "done", start = Date.now() - HOUR } = options;
  const random = new Random("studio run", mode);
  const lines: string[] = [];
  for (let step = 1; step <= steps; step++) {
    const loss = 0.9 + (mode === "rt" ? 2.4 : 1.9) * Math.exp((-3.5 * step) / steps) + 0.06 * random.normal();
    lines.push(
      JSON.stringify({
        step,
        epoch: (4 * step) / steps,
        loss,
        lr: 2e-3 * (1 - step / (steps + 1)),
        grad_norm: 0.6 + 0.8 * Math.exp((-4 * step) / steps) + 0.05 * Math.abs(random.normal()),
        tokens: step * 1600,
        tokens_per_s: 2900 + 120 * random.normal(),
        rss_bytes: 6e8,
        ...(step % 40 === 0 ? { validation_loss: 1.05 + 2 * Math.exp((-3.2 * step) / steps) } : {}),
      }),
    );
  }
  write(join(folder, "metrics.jsonl"), `${lines.join("\n")}\n`);
  write(join(folder, "run.json"), {
    model: "bundled:mini",
    modelPath: "models/mini",
    method: "qlora",
    mode,
    template: "tulu",
    seed: 0,
    status,
    identity: "0".repeat(64),
    versions: { evoke: "0.1.0", node: process.version, "onnxruntime-node": "1.30.0" },
    device: { name: "cpu", threads: 2 },
    data: { files: {}, examples: 1200, validation: 60, truncated: 3, dropped: 0 },
    memory: { keptLayers: 4, rowTokens: 1024, estimateBytes: 4.1e8 },
    progress: { step: steps, steps, epoch: 4 },
    started: new Date(start).toISOString(),
    finished: new Date(start + 90_000).toISOString(),
    loss: 0.93,
    validationLoss: 1.12,
  });
  write(join(folder, "recipe.yaml"), `model: bundled:mini\nmethod: qlora\nmode: ${mode}\nseed: 0\n`);
  write(
    join(folder, "log.txt"),
    `${new Date(start).toISOString()} start: qlora ${mode}, 1200 examples, ${steps} steps\n`,
  );
}

const TOPICS = ["rivers", "bread", "planets", "music", "chess", "maps", "winter", "bees"];

/** Results and samples of a multiple-choice suite and an instruction suite. */
export function writeEvaluation(folder: string, model: string, accuracy: number): void {
  const random = new Random("studio evaluation", model);
  const rows = Array.from({ length: 60 }, (_, index) => {
    const gold = random.below(4);
    const right = random.uniform() < accuracy;
    const predicted = right ? gold : (gold + 1) % 4;
    const topic = TOPICS[index % TOPICS.length]!;
    return {
      index,
      context: `Question: Which of these is a fact about ${topic}?\nAnswer:`,
      choices: [`One about ${topic}`, "A guess", "A joke", "A wish"],
      gold,
      logprobs: [0, 1, 2, 3].map((i) => (i === predicted ? -1.25 : -2.5 - random.uniform())),
      predicted,
      acc: Number(right),
    };
  });
  const right = rows.reduce((sum, { acc }) => sum + acc, 0) / rows.length;
  write(join(folder, "samples", "arc_easy.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const figure = (value: number) => ({ value, stderr: Math.sqrt((value * (1 - value)) / 59) });
  const config = { model, evoke: "0.1.0" };
  write(join(folder, "results.json"), {
    arc_easy: { n: 60, missing: 0, metrics: { acc: figure(right), acc_norm: figure(right * 0.95) }, config },
    piqa: { n: 100, missing: 1, metrics: { acc: figure(0.5 + accuracy / 5) }, config },
    instruct: {
      n: 40,
      missing: 0,
      metrics: { exact_match: figure(accuracy / 2), mean_tokens: { value: 21.4 - 9 * accuracy, stderr: 0.8 } },
      config,
    },
  });
}

/** An experiment in the middle of its work. */
export function writeExperiment(folder: string): void {
  const step = (id: string, kind: string, title: string, needs: string[], status: string, seconds?: number) => ({
    id,
    kind,
    title,
    needs,
    key: "0".repeat(64),
    lane: kind === "refine" ? "remote" : "local",
    status,
    folder: `steps/${id}`,
    ...(seconds === undefined ? {} : { seconds }),
    ...(status === "failed" ? { error: "the judge's server does not answer: 3 attempts" } : {}),
  });
  write(join(folder, "experiment.json"), {
    name: "refinement",
    title: "Response refinement",
    status: "running",
    steps: [
      step("data.lima", "prepare", "prepare lima", [], "done", 2.1),
      step("data.refined", "refine", "refine lima", ["data.lima"], "done", 184),
      step("train.it", "train", "tune IT", ["data.lima"], "done", 92),
      step("train.rt", "train", "tune RT", ["data.lima"], "done", 88),
      step("train.rt-refined", "train", "tune RT, refined", ["data.refined"], "running"),
      step("eval.it", "eval", "evaluate IT", ["train.it"], "done", 41),
      step("eval.rt", "eval", "evaluate RT", ["train.rt"], "failed", 12),
      step("eval.rt-refined", "eval", "evaluate RT, refined", ["train.rt-refined"], "pending"),
    ],
  });
  writeRun(join(folder, "steps/train.it"), { mode: "it", steps: 120, start: Date.now() - 5 * HOUR });
  writeEvaluation(join(folder, "steps/eval.it"), "runs/refinement/it", 0.6);
}

/** A report in the product's own form. */
export function writeReport(folder: string): void {
  const curve = (rate: number) =>
    Array.from({ length: 60 }, (_, i) => ({ step: i + 1, loss: 0.9 + rate * Math.exp(-i / 15) }));
  const arm = (name: string, kind: "untuned" | "it" | "rt") => ({
    name,
    title: name,
    kind,
    model: "bundled:mini",
    changes: [],
    seeds: [],
  });
  const report: ExperimentReport = {
    name: "comparison",
    title: "Base, IT and RT",
    notes: [],
    smoke: false,
    facts: [["model", "bundled:mini"]],
    absent: [],
    arms: [arm("base", "untuned"), arm("it", "it"), arm("rt", "rt")],
    evaluations: [],
    scores: [],
    losses: [
      { arm: "it", points: curve(1.9), validation: [] },
      { arm: "rt", points: curve(2.4), validation: [] },
    ],
    lengths: [],
    applications: [],
    taskModels: [],
    data: [],
    questions: TOPICS.map((topic) => ({
      evaluation: "heldout",
      suite: "instruct",
      instruction: `Say one thing about ${topic}.`,
      answers: ["base", "it", "rt"].map((name) => ({
        arm: name,
        text: `A line about ${topic} by ${name}.`,
        notes: [],
      })),
    })),
    published: [],
  };
  write(join(folder, "report.html"), experimentHtml(report));
}
