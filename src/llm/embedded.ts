import { basename } from "node:path";
import { FailureError } from "../errors.js";
import { Generator, type GeneratorOptions } from "../generate/generator.js";
import type {
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  LanguageModel,
  ScoreRequest,
  ScoreResult,
} from "./language-model.js";

export interface EmbeddedModelOptions
  extends Pick<
    GeneratorOptions,
    "device" | "threads" | "weights" | "template" | "maxBatch" | "rules" | "say" | "signal"
  > {
  /** PEFT adapter folder (or run folder) put on top of the model. */
  adapter?: string;
  /** Seed of requests that name none. Default 0: equal calls give equal answers. */
  seed?: number;
}

/** A model run by this process's own engine. */
export class EmbeddedModel implements LanguageModel {
  readonly id: string;
  readonly scoresTogether = true;
  /** Of the weights while it writes. */
  readonly precision: string;

  constructor(
    readonly generator: Generator,
    private readonly options: EmbeddedModelOptions = {},
  ) {
    const { reference, identity } = generator.model;
    const { weights = "int8", seed = 0 } = options;
    this.precision = weights;
    const rules = options.rules?.length ? `:rules=${options.rules}` : "";
    this.id = `${basename(reference)}#${identity.id.slice(0, 32)}:${weights}:${generator.template}:${seed}${rules}`;
  }

  async generate(requests: GenerateRequest[], options: GenerateOptions = {}): Promise<(GenerateResult | Error)[]> {
    const results = new Array<GenerateResult | Error>(requests.length);
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let i = next++; i < requests.length; i = next++) {
        const result = await this.one(requests[i]!, options.signal).catch((error: unknown) =>
          error instanceof Error ? error : new FailureError(String(error)),
        );
        results[i] = result;
        options.onResult?.(i, result);
      }
    };
    // Twice the batch: those that wait join, several prompts at a time, as soon as others end.
    const workers = Math.min(2 * (this.options.maxBatch ?? 16), requests.length);
    await Promise.all(Array.from({ length: workers }, worker));
    return results;
  }

  private async one(request: GenerateRequest, signal?: AbortSignal): Promise<GenerateResult> {
    const seed = request.seed ?? this.options.seed ?? 0;
    const { tokens: _, alternatives, ...result } = await this.generator.generate({ ...request, seed }, { signal });
    if (!alternatives) return result;
    return {
      ...result,
      alternatives: alternatives.map(({ text, finishReason, logprobs }) => ({
        text,
        finishReason,
        ...(logprobs ? { logprobs } : {}),
      })),
    };
  }

  async score(pairs: ScoreRequest[], { signal }: { signal?: AbortSignal } = {}): Promise<ScoreResult[]> {
    return this.generator.score(pairs, { signal });
  }

  /** Frees the compiled graphs. */
  dispose(): Promise<void> {
    return this.generator.dispose();
  }
}

/** Loads a model by reference: folder, .gguf file, `hf:`, `pip:`, `bundled:mini` or a run folder. */
export async function createEmbeddedModel(
  reference: string,
  options: EmbeddedModelOptions = {},
): Promise<EmbeddedModel> {
  const { adapter, ...rest } = options;
  const adapters = adapter ? { adapters: [adapter] } : {};
  // A pipeline that was stopped asks in other company for what is left; its answers must not depend on that.
  const generator = await Generator.open(reference, { ...rest, ...adapters, promptsApart: true });
  return new EmbeddedModel(generator, options);
}
