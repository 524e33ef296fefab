import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { ownOrigin, type PromptOrigin } from "../data/prompt-origin.js";
import { foldSpaces, strip } from "../data/python-text.js";
import { UsageError } from "../errors.js";

const BUILT_IN = fileURLToPath(new URL("../../prompts/self-instruct/", import.meta.url));

const template = z
  .strictObject({
    prompt: z.string().includes("{instruction}"),
    completion: z.string().includes("{output}"),
  })
  .refine(
    ({ prompt, completion }) => /\s$/.test(prompt) || /^\s/.test(completion),
    "prompt and completion touch: end the prompt or begin the completion with white space",
  );
const encodingSchema = z.strictObject({
  with_input: z.array(template.refine(({ prompt }) => prompt.includes("{input}"), "{input} is missing")).min(1),
  without_input: z.array(template).min(1),
});

/** A way to write an instance as prompt and completion. */
export type EncodingTemplate = z.infer<typeof template>;

/** The texts of all steps; each file can be replaced by one of the same name in another folder. */
export interface SelfInstructPrompts {
  /** The line above the numbered list of instructions. */
  bootstrap: string;
  bootstrapClassification: string;
  /** Few-shot prompts that end where the model goes on, with `{instruction}`. */
  classify: string;
  instancesClassification: string;
  instancesGeneration: string;
  encoding: { withInput: EncodingTemplate[]; withoutInput: EncodingTemplate[] };
  /** Where those that a model is asked with come from. */
  origins: PromptOrigin[];
}

/** The texts that a model is asked with, and what each stands for. */
const ASKED = {
  bootstrap: "bootstrap.txt",
  bootstrapClassification: "bootstrap-classification.txt",
  classify: "classify.txt",
  instancesClassification: "instances-classification.txt",
  instancesGeneration: "instances-generation.txt",
} as const;

const FILES = [...Object.values(ASKED), "encoding.json"] as const;

/** Where each prompt is: in `folder` when it has a file of that name, else among the built-in ones. */
export function promptFiles(folder?: string): Record<string, string> {
  return Object.fromEntries(FILES.map((name) => [name, fileIn(folder, name) ?? join(BUILT_IN, name)]));
}

/** A folder's own file of that name. @throws UsageError when there is no such folder. */
function fileIn(folder: string | undefined, name: string): string | undefined {
  if (folder === undefined) return undefined;
  if (!existsSync(folder)) throw new UsageError(`${folder}: no such folder of prompts`);
  return existsSync(join(folder, name)) ? join(folder, name) : undefined;
}

/**
 * Reads the prompts.
 *
 * @param folder files here come before all others; those it lacks are the originals, where given, or the built-in ones.
 * @throws UsageError when a file lacks its placeholder.
 */
export function loadPrompts(
  folder?: string,
  originals?: { prompts: Omit<SelfInstructPrompts, "encoding" | "origins">; origins: PromptOrigin[] },
): SelfInstructPrompts {
  const paths = promptFiles(folder);
  const texts = new Map<string, string>();
  const origins: PromptOrigin[] = [];
  for (const [name, file] of Object.entries(ASKED) as [keyof typeof ASKED, string][]) {
    const own = fileIn(folder, file);
    if (originals && own === undefined) {
      texts.set(name, originals.prompts[name]);
      continue;
    }
    const text = strip(readFileSync(paths[file]!, "utf8"));
    if (!name.startsWith("bootstrap") && text.split("{instruction}").length !== 2)
      throw new UsageError(`${paths[file]}: the placeholder {instruction} must be there exactly once`);
    texts.set(name, text);
    origins.push(ownOrigin(file.replace(".txt", ""), text, own));
  }
  return {
    ...(Object.fromEntries(texts) as Record<keyof typeof ASKED, string>),
    encoding: readEncoding(paths["encoding.json"]!),
    origins: texts.size > origins.length ? [...originals!.origins, ...origins] : origins,
  };
}

function readEncoding(path: string): SelfInstructPrompts["encoding"] {
  let data: unknown;
  try {
    data = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UsageError(`${path}: not valid JSON (${(error as Error).message})`);
  }
  const parsed = encodingSchema.safeParse(data);
  if (parsed.success) return { withInput: parsed.data.with_input, withoutInput: parsed.data.without_input };
  const issue = parsed.error.issues[0]!;
  throw new UsageError(`${path}: ${issue.path.join(".")}: ${issue.message}`);
}

/** The lead sentence, the instructions as a numbered list, and the next number left open. */
export function bootstrapPrompt(lead: string, instructions: readonly string[]): string {
  const items = instructions.map((text, i) => `${i + 1}. ${strip(foldSpaces(text)).replace(/:+$/, "")}\n`);
  return `${lead}\n${items.join("")}${instructions.length + 1}.`;
}

/** A few-shot prompt with the instruction in its place. */
export function fillPrompt(prompt: string, instruction: string): string {
  return prompt.replace("{instruction}", () => strip(instruction));
}
