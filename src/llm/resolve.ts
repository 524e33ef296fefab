import { UsageError } from "../errors.js";
import type { EmbeddedModelOptions } from "./embedded.js";
import type { LanguageModel } from "./language-model.js";
import type { OpenAiOptions } from "./openai-compatible.js";
import { isOpenAiReference } from "./openai-reference.js";
import type { Usage } from "./usage.js";

export interface ResolveOptions extends OpenAiOptions, EmbeddedModelOptions {}

/** A model that may tell what it has used so far (servers do), and may hold memory (local ones do). */
export interface ResolvedModel extends LanguageModel {
  readonly usage?: Usage;
  /** Frees what a local model holds. */
  dispose?(): Promise<void>;
}

/**
 * The language model behind a reference: `openai:NAME@BASE_URL` is a server, everything else (folder, .gguf file,
 * `hf:`, `pip:`, `bundled:mini`, run folder) is run by our own engine.
 */
export async function resolveLanguageModel(reference: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  if (isOpenAiReference(reference)) {
    if (options.rules?.length)
      throw new UsageError(`${reference}: rules change the logits of local models; serve the model with --rules`);
    const { OpenAiCompatibleModel } = await import("./openai-compatible.js");
    return new OpenAiCompatibleModel(reference, options);
  }
  const { createEmbeddedModel } = await import("./embedded.js");
  return createEmbeddedModel(reference, options);
}
