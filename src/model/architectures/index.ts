/** The table of supported families. A new one is a file beside this and a line here. */
import { UsageError } from "../../errors.js";
import { ConfigFields } from "../config-fields.js";
import type { Architecture, DecoderConfig } from "../decoder-config.js";
import { gemma2 } from "./gemma2.js";
import { gemma3 } from "./gemma3.js";
import { llama } from "./llama.js";
import { mistral } from "./mistral.js";
import { olmo } from "./olmo.js";
import { olmo2 } from "./olmo2.js";
import { qwen2 } from "./qwen2.js";
import { qwen3 } from "./qwen3.js";

const architectures: readonly Architecture[] = [llama, mistral, qwen2, qwen3, gemma2, gemma3, olmo, olmo2];

/** Reads config.json's fields as a DecoderConfig. Throws UsageError for an unknown family or a bad field. */
export function decoderConfig(fields: Readonly<Record<string, unknown>>, source: string): DecoderConfig {
  const type = String(fields.model_type ?? "");
  const found = architectures.find((architecture) => architecture.modelTypes.includes(type));
  if (!found) {
    const known = architectures.flatMap((architecture) => architecture.modelTypes).join(", ");
    throw new UsageError(`${source}: unknown architecture "${type}"; supported: ${known}`);
  }
  return found.configure(new ConfigFields(fields, source));
}
