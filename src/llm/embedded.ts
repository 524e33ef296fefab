import { UsageError } from "../errors.js";
import type { LanguageModel } from "./language-model.js";

export interface EmbeddedModelOptions {
  /** PEFT adapter folder put on top of the model. */
  adapter?: string;
  device?: "auto" | "cpu" | "webgpu" | "cuda";
  say?: (line: string) => void;
  signal?: AbortSignal;
}

/** A model run by this process's own engine. */
export async function createEmbeddedModel(
  reference: string,
  _options: EmbeddedModelOptions = {},
): Promise<LanguageModel> {
  throw new UsageError(`${reference}: embedded models are not available in this build; use openai:NAME@BASE_URL`);
}
