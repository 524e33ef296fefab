import type { ResolvedModel, ResolveOptions } from "../../llm/resolve.js";
import { resolveLanguageModel } from "../../llm/resolve.js";
import type { LlmSettings } from "../../recipe/experiment-schema.js";
import type { FileRef, ModelRef, SourceRef } from "../step.js";

/** What a step is given to do its work. */
export interface StepContext {
  /** Absolute path of the step's own folder. */
  folder: string;
  /** Path of a file that this step reads. */
  fileOf(ref: FileRef): string;
  /** A reference that opens a model: as written, or the run folder of an earlier step. */
  modelOf(ref: ModelRef): string;
  dataDir?: string;
  mirror?: string;
  device: "auto" | "cpu" | "webgpu" | "cuda";
  threads?: number;
  llm: LlmSettings;
  signal: AbortSignal;
  say(line: string): void;
  /** Starts a progress line; call the result with the number done, `undefined` at the end. */
  progress(label: string, total: number, unit?: string): (done?: number, note?: string) => void;
}

/** Counts worth reporting; `open`: requests that have no answer and shall be asked again. */
export type StepSummary = Record<string, unknown> & { open?: number };

export const isSource = (ref: SourceRef | FileRef): ref is SourceRef => "source" in ref;

/** Opens a model for the length of `work`. */
export async function withStepModel<T>(
  context: StepContext,
  ref: ModelRef,
  options: ResolveOptions,
  work: (model: ResolvedModel) => Promise<T>,
): Promise<T> {
  const { llm, signal, say, device, threads } = context;
  const model = await resolveLanguageModel(context.modelOf(ref), {
    concurrency: llm.concurrency,
    retries: llm.retries,
    timeoutSeconds: llm.timeout,
    maxRequests: llm.max_requests,
    maxTokens: llm.max_tokens,
    apiKeyEnv: llm.api_key_env,
    price: llm.price && { prompt: llm.price[0], output: llm.price[1] },
    api: llm.api,
    device,
    threads,
    signal,
    say,
    ...options,
  });
  try {
    return await work(model);
  } finally {
    await model.dispose?.();
  }
}
