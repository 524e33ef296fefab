import { FailureError } from "../errors.js";
import type { GenerateRequest, GenerateResult, LanguageModel } from "../llm/language-model.js";
import { ModelUnavailableError } from "../llm/usage.js";

/** How a step samples. */
export type Sampling = Pick<GenerateRequest, "maxTokens" | "temperature" | "topP" | "presencePenalty" | "stop">;

/** A plain prompt to be continued, or, for models that only chat, a user's message. */
export function asRequest(prompt: string, sampling: Sampling, chat = false): GenerateRequest {
  return chat ? { messages: [{ role: "user", content: prompt }], ...sampling } : { prompt, ...sampling };
}

export interface AskEachOptions<Task, Row> {
  model: LanguageModel;
  tasks: readonly Task[];
  /** The row that a task has already, from an earlier run or the other project. */
  known: (task: Task) => Row | undefined;
  /** Whether a task without a row is asked for now; default: all are. */
  isChosen?: (task: Task) => boolean;
  request: (task: Task) => GenerateRequest;
  /** The row of an answered task, or of one whose request failed. */
  row: (task: Task, answer: GenerateResult | undefined) => Row;
  /** Stores the rows so far, in the tasks' order; also called before an exception is passed on. They are made as they are read: together they may be large. */
  save: (rows: Iterable<Row>) => void;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

/** Counts of a stage that asks one request a task. */
export interface AskReport {
  /** Tasks that were asked for. */
  tasks: number;
  /** Tasks whose request failed for good; they are asked again in the next run. */
  failed: number;
  /** `task N: reason` for each request that failed. */
  errors: string[];
}

const SLICE = 512;

/**
 * One request for each task that has no row yet.
 *
 * @throws ModelUnavailableError when the model cannot go on, FailureError when no request was answered.
 */
export async function askEach<Task, Row>(options: AskEachOptions<Task, Row>): Promise<AskReport> {
  const { model, tasks, signal } = options;
  const found: { task: Task; known?: Row; answer?: GenerateResult }[] = [];
  const rows = function* (): Generator<Row> {
    for (const { task, known, answer } of found) yield known ?? options.row(task, answer);
  };
  const errors: string[] = [];
  let asked = 0;
  let done = 0;
  for (let start = 0; start < tasks.length; start += SLICE) {
    const slice = tasks.slice(start, start + SLICE);
    const known = slice.map(options.known);
    const isChosen = options.isChosen ?? (() => true);
    const open = slice.flatMap((task, i) => (known[i] === undefined && isChosen(task) ? [i] : []));
    done += slice.length - open.length;
    const answers = await model.generate(
      open.map((i) => options.request(slice[i]!)),
      { signal, onResult: () => options.onProgress?.(++done, tasks.length) },
    );
    asked += open.length;
    const byPlace = new Map(open.map((i, at) => [i, answers[at]!]));
    const gone = signal?.aborted || answers.some((answer) => answer instanceof ModelUnavailableError);
    for (const [i, task] of slice.entries()) {
      const answer = byPlace.get(i);
      if (answer === undefined && known[i] === undefined) continue; // not chosen
      if (answer instanceof Error && gone) continue; // not this task's fault: it has no row yet
      if (answer instanceof Error) errors.push(`task ${start + i + 1}: ${answer.message}`);
      found.push({ task, known: known[i], answer: answer instanceof Error ? undefined : answer });
    }
    options.onProgress?.(done, tasks.length);
    if (gone) {
      options.save(rows());
      signal?.throwIfAborted();
      throw answers.find((answer) => answer instanceof ModelUnavailableError);
    }
  }
  options.save(rows());
  if (asked > 0 && errors.length === asked) throw new FailureError(`no request was answered; ${errors[0]}`);
  return { tasks: tasks.length, failed: errors.length, errors };
}
