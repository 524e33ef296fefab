import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";
import { readJsonObject } from "../files/json-object.js";

/** What tokenizer.json and tokenizer_config.json hold. */
export interface TokenizerFiles {
  tokenizer: Record<string, unknown>;
  config: Record<string, unknown>;
  /** added_tokens.json, which older tokenizers have: token → id. */
  added?: Record<string, unknown>;
}

/**
 * Reads the tokenizer of a Hugging Face folder: tokenizer.json, tokenizer_config.json, special_tokens_map.json and the chat
 * template wherever it is kept.
 *
 * @throws UsageError when there is no tokenizer.json, FailureError when a file is damaged.
 */
export function readTokenizerFiles(folder: string): TokenizerFiles {
  const path = join(folder, "tokenizer.json");
  if (!existsSync(path)) {
    throw new UsageError(
      `${folder}: has no tokenizer.json; save the model's fast tokenizer there (transformers: save_pretrained)`,
    );
  }
  const optional = (name: string): Record<string, unknown> =>
    existsSync(join(folder, name)) ? readJsonObject(join(folder, name)) : {};
  const config = { ...optional("special_tokens_map.json"), ...optional("tokenizer_config.json") };
  const jinja = join(folder, "chat_template.jinja");
  if (existsSync(jinja)) config.chat_template = readFileSync(jinja, "utf8");
  else config.chat_template ??= optional("chat_template.json").chat_template;
  return { tokenizer: readJsonObject(path), config, added: optional("added_tokens.json") };
}
