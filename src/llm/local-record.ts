import { EmbeddedModel } from "./embedded.js";
import type { LanguageModel } from "./language-model.js";

/** How a local model computed, for records of what it made; nothing for servers. */
export interface LocalRecord {
  /** Of the weights while it writes. */
  precision?: string;
  /** Of the weights while prompts are read and text is scored, where that is not float32. */
  held_as?: string;
  /** Where prompts were read. */
  device?: string;
  /** CPU threads of one operation. */
  threads?: number;
}

export function localRecord(model: LanguageModel): LocalRecord {
  if (!(model instanceof EmbeddedModel)) return {};
  const { model: loaded, device } = model.generator;
  return {
    precision: model.precision,
    ...(loaded.precision === "float32" ? {} : { held_as: loaded.precision }),
    device: device.name,
    threads: device.threads,
  };
}
