import { FailureError, UsageError } from "../errors.js";
import type { GenerateRequest, GenerateResult, LanguageModel } from "../llm/language-model.js";
import { promptTurns } from "../llm/prompt-turns.js";
import { ModelUnavailableError } from "../llm/usage.js";
import { withoutThoughts } from "../metrics/judge-reply.js";
import { Random } from "../random/counter.js";
import { PY_SPACE, strip } from "./python-text.js";

export interface RefineRow {
  prompt: string;
  completion: string;
  [field: string]: unknown;
}

export interface RefineOptions {
  /** Text with `{prompt}` and `{response}`; may be marked as turns of a conversation. */
  template: string;
  /** What comes before the refined response, default "Refined response:"; any case. */
  marker?: string;
  /** Most tokens of an answer, default 8192. */
  maxTokens?: number;
  /** 0, the default, takes the most probable token; above, answers are drawn by `seed`. */
  temperature?: number;
  /** Seed of the draws, default 0. A row's draws depend on it and on the row, not on the row's place. */
  seed?: number;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

export interface Refined {
  rows: RefineRow[];
  counts: {
    rows: number;
    /** Answers with a text after the marker. */
    extracted: number;
    /** Rows whose response is now another one (what Response Tuning reports as its extraction rate). */
    changed: number;
    /** Answers cut off at the token limit; what they have after the marker is taken as it is. */
    truncated: number;
    /** Requests without an answer; their rows keep the response they had. */
    failed: number;
  };
  /** One line for each failed request. */
  errors: string[];
}

/**
 * Lets a model rewrite each response (Response Tuning, section 3.3): what follows the marker becomes the completion, the
 * response it had stays as `source_completion`. An answer without the marker, or with nothing after it, changes nothing.
 *
 * @throws ModelUnavailableError when the model cannot go on; FailureError when no request at all was answered.
 */
export async function refineRows(
  rows: readonly RefineRow[],
  model: LanguageModel,
  options: RefineOptions,
): Promise<Refined> {
  const pattern = markerPattern(options.marker ?? "Refined response:");
  const requests = rows.map((row) => refineRequest(row, options));
  let done = 0;
  const answers = await model.generate(requests, {
    signal: options.signal,
    onResult: () => options.onProgress?.(++done, rows.length),
  });
  options.signal?.throwIfAborted();
  const errors = answers.flatMap((answer, i) => (answer instanceof Error ? [`row ${i + 1}: ${answer.message}`] : []));
  const fatal = answers.find((answer) => answer instanceof ModelUnavailableError);
  if (fatal) throw fatal;
  if (rows.length > 0 && errors.length === rows.length) throw new FailureError(`no request was answered; ${errors[0]}`);
  const counts = { rows: rows.length, extracted: 0, changed: 0, truncated: 0, failed: errors.length };
  const refined = rows.map((row, i) => {
    const answer = answers[i] as GenerateResult | Error;
    if (!(answer instanceof Error) && answer.finishReason === "length") counts.truncated++;
    const text = answer instanceof Error ? undefined : extractRefined(answer.text, pattern);
    if (text !== undefined) counts.extracted++;
    if (text !== undefined && text !== row.completion) counts.changed++;
    const { prompt, completion, ...rest } = row;
    return { prompt, completion: text ?? completion, source_completion: completion, ...rest };
  });
  return { rows: refined, counts, errors };
}

function refineRequest(row: RefineRow, options: RefineOptions): GenerateRequest {
  const values: Record<string, string> = { prompt: row.prompt, response: row.completion };
  const fill = (text: string): string => text.replace(/\{(prompt|response)\}/g, (_, name: string) => values[name]!);
  const { temperature = 0, seed = 0 } = options;
  return {
    messages: promptTurns(options.template, "the prompt").map(({ role, content }) => ({
      role,
      content: strip(fill(content)),
    })),
    maxTokens: options.maxTokens ?? 8192,
    temperature,
    ...(temperature > 0 ? { seed: new Random("refine", seed, row.prompt, row.completion).uint32() >>> 1 } : {}),
  };
}

/** @throws UsageError when a placeholder is missing. */
export function checkRefineTemplate(template: string, path: string): void {
  for (const name of ["{prompt}", "{response}"])
    if (!template.includes(name)) throw new UsageError(`${path}: the placeholder ${name} is missing`);
}

/** `marker`, white space, then everything to the end, in any case. */
export function markerPattern(marker: string): RegExp {
  return new RegExp(`${marker.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}[${PY_SPACE}]*([^]*)`, "i");
}

/** The text after the first marker behind a reasoning model's thoughts, trimmed; undefined when there is none. */
export function extractRefined(answer: string, pattern: RegExp): string | undefined {
  const text = strip(pattern.exec(withoutThoughts(answer))?.[1] ?? "");
  return text === "" ? undefined : text;
}
