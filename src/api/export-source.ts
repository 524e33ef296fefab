/** A run, model or adapter as the ways out take it. */
import type { Checkpoint } from "../checkpoint/open.js";
import { openCheckpoint } from "../checkpoint/open.js";
import { UsageError } from "../errors.js";
import { type ChatFiles, chatFiles } from "../export/hf-files.js";
import { type LocatedModel, locateModel } from "../generate/load-model.js";
import type { Adapter } from "../model/adapter.js";
import { decoderConfig } from "../model/architectures/index.js";
import { loadAdapter } from "../peft/adapter-io.js";
import { mergedCheckpoint } from "../peft/merged-checkpoint.js";
import { renderModelTemplate, renderTulu } from "../tokenizer/chat-template.js";
import type { Message } from "../tokenizer/message.js";
import { type ChatTemplateName, stopTokens, tokensBefore } from "../tokenizer/special-tokens.js";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.js";

export interface ExportSource {
  /** With the adapter folded in, where there is one. */
  checkpoint: Checkpoint;
  /** The base as it is. */
  base: Checkpoint;
  basePath: string;
  tokenizer: Tokenizer;
  adapter?: Adapter;
  /** How conversations were and will be written; undefined for a model without a template. */
  template?: ChatTemplateName;
  /** What goes with a Hugging Face folder. */
  chat?: ChatFiles;
  /** Chat template (Jinja) and the ids that end an answer. */
  jinja?: string;
  stops: readonly number[];
  /** A conversation as text, as other programs render it: without what the tokenizer puts before any text. */
  render(messages: readonly Message[], addGenerationPrompt: boolean): string;
}

export interface ExportSourceFlags {
  adapter?: string;
  template?: ChatTemplateName;
}

/** Opens what is exported; `close` the checkpoint afterwards. */
export async function openExportSource(
  reference: string,
  flags: ExportSourceFlags,
  tell: (line: string) => void,
): Promise<ExportSource> {
  const located = await locateModel(reference, { say: tell });
  const base = openCheckpoint(located.path);
  try {
    const tokenizer = await loadTokenizer(located.path);
    const adapterPath = flags.adapter ?? located.adapterPath;
    const adapter = adapterPath ? await loadAdapter(adapterPath, decoderConfig(base.config, base.source)) : undefined;
    const template = templateOf(flags, located, tokenizer);
    const chat = template && chatFiles(tokenizer, template);
    return {
      checkpoint: adapter ? mergedCheckpoint(base, adapter) : base,
      base,
      basePath: located.path,
      tokenizer,
      ...(adapter && { adapter }),
      ...(template && { template }),
      ...(chat && { chat }),
      ...(template && { jinja: chat?.jinja ?? tokenizer.chatTemplate }),
      stops: stopTokens(tokenizer, template ?? "none"),
      render: (messages, addGenerationPrompt) => rendered(tokenizer, template, messages, addGenerationPrompt),
    };
  } catch (error) {
    base.close();
    throw error;
  }
}

function templateOf(flags: ExportSourceFlags, located: LocatedModel, tokenizer: Tokenizer) {
  const wanted = flags.template ?? located.template;
  if (wanted === "model" && tokenizer.chatTemplate === undefined)
    throw new UsageError(`${located.path}: has no chat template; use --template tulu, or leave it out`);
  return wanted ?? (tokenizer.chatTemplate === undefined ? undefined : "model");
}

function rendered(
  tokenizer: Tokenizer,
  template: ChatTemplateName | undefined,
  messages: readonly Message[],
  addGenerationPrompt: boolean,
): string {
  if (template === undefined) throw new UsageError("the model has no chat template; name one with --template tulu");
  if (template === "tulu") return renderTulu(messages, tokenizer.eosToken ?? "", { addGenerationPrompt });
  const text = renderModelTemplate(tokenizer, messages, { addGenerationPrompt });
  const { bosToken, bosId } = tokenizer;
  // llama.cpp puts BOS before every text where the tokenizer does: the template must not write a second one.
  const twice = bosToken !== undefined && bosId !== undefined && tokensBefore(tokenizer)[0] === bosId;
  return twice && text.startsWith(bosToken) ? text.slice(bosToken.length) : text;
}
