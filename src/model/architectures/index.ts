/** The table of supported families. A new one is a file beside this and a line here. */
import { UsageError } from "../../errors.js";
import { ConfigFields, shown } from "../config-fields.js";
import type { Architecture, DecoderConfig } from "../decoder-config.js";
import { gemma2 } from "./gemma2.js";
import { gemma3 } from "./gemma3.js";
import { gptNeox } from "./gpt-neox.js";
import { gpt2 } from "./gpt2.js";
import { granite } from "./granite.js";
import { llama } from "./llama.js";
import { mistral } from "./mistral.js";
import { olmo } from "./olmo.js";
import { olmo2 } from "./olmo2.js";
import { olmo3 } from "./olmo3.js";
import { phi3 } from "./phi3.js";
import { qwen2 } from "./qwen2.js";
import { qwen3 } from "./qwen3.js";
import { smollm3 } from "./smollm3.js";
import { isWithoutEffect } from "./without-effect.js";

const architectures: readonly Architecture[] = [
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma2,
  gemma3,
  olmo,
  olmo2,
  olmo3,
  smollm3,
  phi3,
  granite,
  gptNeox,
  gpt2,
];

/**
 * Reads config.json's fields as a DecoderConfig.
 * @throws UsageError for an unknown family, a bad field, and a field that the family does not know and that may matter.
 */
export function decoderConfig(fields: Readonly<Record<string, unknown>>, source: string): DecoderConfig {
  const type = String(fields.model_type ?? "");
  const found = architectures.find((architecture) => architecture.modelTypes.includes(type));
  if (!found) {
    const part = (fields.text_config as Record<string, unknown> | null | undefined)?.model_type;
    if (typeof part === "string")
      throw new UsageError(
        `${source}: model_type ${shown(type)} is a model of several parts, with a text part of type ${shown(part)} (text_config); save the text part as a model of its own, models of several parts are not read`,
      );
    const known = architectures.flatMap((architecture) => architecture.modelTypes).join(", ");
    throw new UsageError(`${source}: unknown architecture ${shown(type)}; supported: ${known}`);
  }
  const read = new ConfigFields(fields, source);
  const config = found.configure(read);
  const unknown = read.unread().filter(([name, value]) => !isWithoutEffect(name, value));
  const strange = unknown.find(([name]) => !found.withoutEffect?.includes(name));
  if (strange)
    read.fail(
      `config field ${shown(strange[0])} (${shown(strange[1])}) is not known for ${type} models and may change what they compute`,
    );
  return config;
}
