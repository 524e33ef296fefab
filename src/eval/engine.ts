import type { LanguageModel } from "../llm/language-model.js";

/** How a local model computes, as far as figures may depend on it; a server does not say. */
export function engineOf(model: LanguageModel | undefined): Readonly<Record<string, unknown>> | undefined {
  return model && "engine" in model ? (model.engine as Record<string, unknown>) : undefined;
}
