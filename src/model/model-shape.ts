import { join } from "node:path";
import { findGguf, openCheckpoint } from "../checkpoint/open.js";
import { readJsonObject } from "../files/json-object.js";
import { decoderConfig } from "./architectures/index.js";
import type { DecoderConfig } from "./decoder-config.js";

/** The configuration of a model on this disk; a Hugging Face folder needs no weights for it. */
export function modelShape(path: string): DecoderConfig {
  if (findGguf(path) === undefined) return decoderConfig(readJsonObject(join(path, "config.json")), path);
  const checkpoint = openCheckpoint(path);
  try {
    return decoderConfig(checkpoint.config, checkpoint.source);
  } finally {
    checkpoint.close();
  }
}
