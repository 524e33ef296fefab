import { existsSync, readFileSync } from "node:fs";
import { FailureError, UsageError } from "../errors.js";
import { writeFileAtomically } from "../files/atomic-write.js";
import { writeJsonl } from "../files/jsonl.js";
import type { GenerateRequest, GenerateResult, LanguageModel } from "../llm/language-model.js";
import { ModelUnavailableError } from "../llm/usage.js";
import { Random } from "../random/counter.js";
import { asRequest, type Sampling } from "./ask.js";
import { type DropReason, type Proposals, readProposals } from "./post-process.js";
import { bootstrapPrompt } from "./prompts.js";
import { SimilarityFilter } from "./similarity-filter.js";
import { appendDurably, type InstructionRow, isTorn, readStage, type StoredAnswer } from "./stage-files.js";

export interface BootstrapOptions {
  /** The file that grows: `machine_generated_instructions.jsonl`. */
  path: string;
  model: LanguageModel;
  seedInstructions: readonly string[];
  /** Stop when the file holds this many. */
  count: number;
  seed: number;
  /** The line above the numbered list. */
  lead: string;
  /** Instructions in a prompt, and how many of them machine-made once there are any. */
  perPrompt: number;
  machinePerPrompt: number;
  requestsPerBatch: number;
  /** Drop an instruction whose ROUGE-L with a known one is above this. */
  threshold: number;
  sampling: Sampling;
  /** A continuation cut off by length is dropped as a whole ("drop"), or only its last item is ("trim"). */
  cutResponses: "drop" | "trim";
  /** Give up after this many batches in a row without a new instruction. */
  maxIdleBatches: number;
  chat?: boolean;
  signal?: AbortSignal;
  onProgress?: (instructions: number, requests: number) => void;
}

/** Counts of the first stage. */
export interface BootstrapReport {
  /** Instructions of the run so far, without the seeds. */
  instructions: number;
  /** Requests of this call, those answered from the journal included. */
  requests: number;
  /** Proposed instructions. */
  proposed: number;
  /** Proposals dropped as too similar to one that is kept. */
  tooSimilar: number;
  /** Requests without an answer. */
  failed: number;
  /** Proposals (or whole responses) that a rule left out. */
  dropped: Partial<Record<DropReason, number>>;
}

/**
 * Step 1–3 of Self-Instruct (Wang et al. 2023, section 2.1): prompts of mixed seed and machine-made instructions, whose
 * continuations give new instructions that are kept when unlike all known ones. Each batch is drawn from the pool as it
 * was before it, by keys made of seed and batch number; so a run that continues proposes what it would have proposed
 * without the stop, and its finished requests are found in the journal.
 *
 * @throws FailureError when the model brings nothing new for long; ModelUnavailableError when it cannot go on.
 */
export async function bootstrapInstructions(options: BootstrapOptions): Promise<BootstrapReport> {
  const { path, count, seedInstructions } = options;
  if (seedInstructions.length < options.perPrompt)
    throw new UsageError(`${seedInstructions.length} seed instructions; a prompt takes ${options.perPrompt}`);
  const { rows, next } = await resumePoint(options);
  const filter = new SimilarityFilter([...seedInstructions, ...rows], { threshold: options.threshold, neighbours: 10 });
  const report: BootstrapReport = {
    instructions: rows.length,
    requests: 0,
    proposed: 0,
    tooSimilar: 0,
    failed: 0,
    dropped: {},
  };
  let idle = 0;
  for (let batch = next; rows.length < count; batch++) {
    const answers = await askBatch(options, batch, rows);
    report.requests += answers.length;
    report.failed += answers.filter(({ response }) => response === null).length;
    const fresh: InstructionRow[] = [];
    for (const metadata of answers) {
      const { kept, dropped } = proposalsOf(metadata, options);
      for (const [reason, times] of Object.entries(dropped) as [DropReason, number][])
        report.dropped[reason] = (report.dropped[reason] ?? 0) + times;
      for (const instruction of kept) {
        if (rows.length === count) break;
        report.proposed++;
        const decision = filter.offer(instruction);
        if (!decision.keep) {
          report.tooSimilar++;
          continue;
        }
        rows.push(instruction);
        fresh.push({
          instruction,
          most_similar: Object.fromEntries((decision.nearest ?? []).map(({ text, score }) => [text, score])),
          avg_similarity_score: decision.mean ?? 0,
          metadata,
          request_idx: batch,
        });
      }
    }
    if (fresh.length > 0) appendDurably(path, fresh.map((row) => `${JSON.stringify(row)}\n`).join(""));
    report.instructions = rows.length;
    options.onProgress?.(rows.length, report.requests);
    idle = fresh.length > 0 ? 0 : idle + 1;
    if (idle >= options.maxIdleBatches)
      throw new FailureError(
        `${rows.length} of ${count} instructions after ${report.requests} requests, and nothing new in the last ${idle} batches (${whatBecame(report)}); ${adviceOf(report, options)}`,
      );
  }
  return report;
}

/**
 * The instructions to keep and the batch to go on with. The last batch in the file may lack lines, so if it is one of
 * this very run it is done again (from the journal); a batch of another run or project stays as it is.
 */
async function resumePoint(options: BootstrapOptions): Promise<{ rows: string[]; next: number }> {
  const { path, count } = options;
  if (isTorn(path)) dropTornLine(path);
  const stored = (await readStage<InstructionRow>(path, ["instruction"])).map(({ row }) => row);
  const all = stored.map(({ instruction }) => instruction);
  const last = stored.at(-1)?.request_idx;
  if (last === undefined) return { rows: all, next: 0 };
  if (stored.length >= count) return { rows: all, next: last + 1 };
  const head = stored.slice(
    0,
    stored.findIndex((row) => row.request_idx === last),
  );
  const rows = head.map(({ instruction }) => instruction);
  const prompts = new Set(batchPrompts(options, last, rows));
  const tail = stored.slice(head.length);
  if (!tail.every(({ metadata }) => prompts.has(metadata?.prompt))) return { rows: all, next: last + 1 };
  writeJsonl(path, head);
  return { rows, next: last };
}

function dropTornLine(path: string): void {
  if (!existsSync(path)) return;
  const text = readFileSync(path);
  writeFileAtomically(path, text.subarray(0, text.lastIndexOf(10) + 1));
}

/** The prompts of a batch, as a function of seed, batch number and the pool before it. */
function batchPrompts(options: BootstrapOptions, batch: number, machine: readonly string[]): string[] {
  return Array.from({ length: options.requestsPerBatch }, (_, i) => {
    const random = new Random("self-instruct prompt", options.seed, batch, i);
    const chosen = random.sample(machine, options.machinePerPrompt);
    chosen.push(...random.sample(options.seedInstructions, options.perPrompt - chosen.length));
    return bootstrapPrompt(options.lead, random.shuffled(chosen));
  });
}

async function askBatch(options: BootstrapOptions, batch: number, machine: readonly string[]): Promise<StoredAnswer[]> {
  options.signal?.throwIfAborted();
  const prompts = batchPrompts(options, batch, machine);
  const requests = prompts.map((prompt, i): GenerateRequest => {
    const trial = batch * options.requestsPerBatch + i;
    const seed = new Random("self-instruct answer", options.seed, trial).uint32() >>> 1;
    return { ...asRequest(prompt, options.sampling, options.chat), seed, trial };
  });
  const answers = await options.model.generate(requests, { signal: options.signal });
  options.signal?.throwIfAborted();
  const fatal = answers.find((answer) => answer instanceof ModelUnavailableError);
  if (fatal) throw fatal;
  if (answers.every((answer) => answer instanceof Error))
    throw new FailureError(`no request of a batch was answered; ${(answers[0] as Error).message}`);
  return answers.map((answer, i) => ({ prompt: prompts[i]!, response: stored(answer) }));
}

function stored(answer: GenerateResult | Error): StoredAnswer["response"] {
  if (answer instanceof Error) return null;
  return { choices: [{ text: answer.text, finish_reason: answer.finishReason }] };
}

function proposalsOf({ response }: StoredAnswer, { cutResponses: cut, chat }: BootstrapOptions): Proposals {
  const choice = response?.choices[0];
  return choice ? readProposals(choice.text, choice.finish_reason, { cut, chat }) : { kept: [], dropped: {} };
}

/** "12 too similar, 7 × response cut off, 3 × fewer than 4 words" */
export function whatBecame({ tooSimilar, failed, dropped }: BootstrapReport): string {
  const reasons = Object.entries(dropped).sort((a, b) => b[1] - a[1]);
  return [
    `${tooSimilar} too similar`,
    ...(failed > 0 ? [`${failed} requests failed`] : []),
    ...reasons.map(([reason, times]) => `${times} × ${reason}`),
  ].join(", ");
}

/** What to do about the rule that took the most. */
function adviceOf({ tooSimilar, dropped }: BootstrapReport, { chat }: BootstrapOptions): string {
  const [most] = Object.entries(dropped).sort((a, b) => b[1] - a[1]);
  if (!most || most[1] < tooSimilar) return "use a stronger model, a higher temperature, or more varied seeds";
  if (most[0] === "response cut off") return "use bootstrap.cut_responses: trim, or raise bootstrap.max_tokens";
  if (most[0] === "no list in the response" && !chat) return "use a stronger model, or chat: true where it only chats";
  return "use a stronger model";
}
