/** The files of a Hugging Face folder beside its weights: config, generation config, tokenizer. */
import { copyFileSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openGguf } from "../checkpoint/gguf/parts.js";
import { type Checkpoint, findGguf } from "../checkpoint/open.js";
import { writeFileAtomically } from "../files/atomic-write.js";
import { readJsonObject } from "../files/json-object.js";
import { tuluJinja } from "../tokenizer/chat-template.js";
import { type ChatTemplateName, tokensBefore, turnEnds } from "../tokenizer/special-tokens.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
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

/** How a model that was trained is to be talked to. */
export interface ChatFiles {
  /** Chat template (Jinja) that takes the place of the base's; the base's own when absent. */
  jinja?: string;
  /** Ids that end an answer. */
  stops: readonly number[];
}

/** The template and the stops that training with `template` gave a model. */
export function chatFiles(tokenizer: Tokenizer, template: ChatTemplateName): ChatFiles {
  const own = turnEnds(tokenizer, template).map(({ id }) => id);
  const stops = [...new Set([...own, ...tokenizer.eosIds])];
  return template === "tulu" ? { jinja: tuluJinja(tokensBefore(tokenizer).length > 0), stops } : { stops };
}

/**
 * Writes what a folder of a model derived from `checkpoint` needs beside its weights. A tokenizer in GGUF metadata
 * becomes tokenizer.json.
 * @param basePath folder or GGUF file that the checkpoint was opened from.
 * @param changes fields of config.json that differ from the base's.
 * @param chat what training changed about conversations, when there was any.
 */
export function writeModelFiles(
  folder: string,
  checkpoint: Checkpoint,
  basePath: string,
  changes: Record<string, unknown>,
  chat?: ChatFiles,
): void {
  const json = (name: string, value: unknown): void =>
    writeFileAtomically(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  // The weights are written unquantised, whatever the base held.
  const { quantization_config: _, dtype, torch_dtype = dtype, ...config } = checkpoint.config;
  // One name for the precision: files that hold two can contradict themselves.
  const written = { ...config, ...(torch_dtype === undefined ? {} : { torch_dtype }), ...changes };
  writeFileAtomically(join(folder, "config.json"), configText(written));
  const stops = chat?.stops.length ? { eos_token_id: chat.stops.length > 1 ? chat.stops : chat.stops[0] } : {};
  const generation = { ...checkpoint.generationConfig, ...stops };
  if (Object.keys(generation).length) json("generation_config.json", generation);
  writeTokenizerFiles(folder, basePath, chat);
}

/** Fields that transformers takes as Python's `float` alone: a whole number without a point is refused. */
const FLOATS = [
  ...["rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "initializer_range"],
  ...["attn_logit_softcapping", "final_logit_softcapping", "clip_qkv"],
];

function configText(config: Record<string, unknown>): string {
  const whole = new RegExp(`^(  "(?:${FLOATS.join("|")})": -?\\d+)(,?)$`, "gm");
  return `${JSON.stringify(config, null, 2).replace(whole, "$1.0$2")}\n`;
}

/** The tokenizer of a folder or GGUF file, with the template that a model was trained with. */
export function writeTokenizerFiles(folder: string, basePath: string, chat?: ChatFiles): void {
  const json = (name: string, value: unknown): void =>
    writeFileAtomically(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  const gguf = findGguf(basePath);
  if (gguf === undefined) {
    for (const name of TOKENIZER_FILES)
      if (existsSync(join(basePath, name))) copyFileSync(join(basePath, name), join(folder, name));
  } else {
    const parsed = openGguf(gguf);
    parsed.close();
    const files = ggufTokenizer(parsed);
    json("tokenizer.json", files.tokenizer);
    json("tokenizer_config.json", files.config);
  }
  if (chat?.jinja === undefined) return;
  // Programs look for it in one of three files; all say the same, or are not there.
  writeFileAtomically(join(folder, "chat_template.jinja"), chat.jinja);
  const settings = join(folder, "tokenizer_config.json");
  json("tokenizer_config.json", {
    ...(existsSync(settings) ? readJsonObject(settings) : {}),
    chat_template: chat.jinja,
  });
  rmSync(join(folder, "chat_template.json"), { force: true });
}
