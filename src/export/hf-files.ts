/** The files of a Hugging Face folder beside its weights: config, generation config, tokenizer. */
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { parseGguf } from "../checkpoint/gguf/parse.js";
import { type Checkpoint, findGguf } from "../checkpoint/open.js";
import { writeFileAtomically } from "../files/atomic-write.js";
import { ggufTokenizer } from "../tokenizer/tokenizer-gguf.js";

const TOKENIZER_FILES = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "chat_template.jinja",
  "chat_template.json",
  "tokenizer.model",
  "vocab.json",
  "merges.txt",
];

/**
 * Writes what a folder of a model derived from `checkpoint` needs beside its weights. A tokenizer in GGUF metadata
 * becomes tokenizer.json.
 * @param basePath folder or GGUF file that the checkpoint was opened from.
 * @param changes fields of config.json that differ from the base's.
 */
export function writeModelFiles(
  folder: string,
  checkpoint: Checkpoint,
  basePath: string,
  changes: Record<string, unknown>,
): void {
  const json = (name: string, value: unknown): void =>
    writeFileAtomically(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  // The weights are written unquantised, whatever the base held.
  const { quantization_config: _, ...config } = checkpoint.config;
  json("config.json", { ...config, ...changes });
  if (Object.keys(checkpoint.generationConfig).length) json("generation_config.json", checkpoint.generationConfig);
  const gguf = findGguf(basePath);
  if (gguf === undefined) {
    for (const name of TOKENIZER_FILES)
      if (existsSync(join(basePath, name))) copyFileSync(join(basePath, name), join(folder, name));
    return;
  }
  const parsed = parseGguf(gguf);
  parsed.file.close();
  const files = ggufTokenizer(parsed);
  json("tokenizer.json", files.tokenizer);
  json("tokenizer_config.json", files.config);
}
