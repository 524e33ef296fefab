import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
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
}

const FILES = [
  "bootstrap.txt",
  "bootstrap-classification.txt",
  "classify.txt",
  "instances-classification.txt",
  "instances-generation.txt",
  "encoding.json",
] as const;

/** Where each prompt is: in `folder` when it has a file of that name, else among the built-in ones. */
export function promptFiles(folder?: string): Record<string, string> {
  if (folder !== undefined && !existsSync(folder)) throw new UsageError(`${folder}: no such folder of prompts`);
  const pathOf = (name: string): string => {
    const own = folder === undefined ? undefined : join(folder, name);
    return own && existsSync(own) ? own : join(BUILT_IN, name);
  };
  return Object.fromEntries(FILES.map((name) => [name, pathOf(name)]));
}

/**
 * Reads the prompts.
 *
 * @param folder files here take the place of the built-in ones; those it lacks stay.
 * @throws UsageError when a file lacks its placeholder.
 */
export function loadPrompts(folder?: string): SelfInstructPrompts {
  const paths = promptFiles(folder);
  const pathOf = (name: (typeof FILES)[number]): string => paths[name]!;
  const read = (name: (typeof FILES)[number]): string => strip(readFileSync(pathOf(name), "utf8"));
  const fewShot = (name: (typeof FILES)[number]): string => {
    const text = read(name);
    if (text.split("{instruction}").length !== 2)
      throw new UsageError(`${pathOf(name)}: the placeholder {instruction} must be there exactly once`);
    return text;
  };
  return {
    bootstrap: read("bootstrap.txt"),
    bootstrapClassification: read("bootstrap-classification.txt"),
    classify: fewShot("classify.txt"),
    instancesClassification: fewShot("instances-classification.txt"),
    instancesGeneration: fewShot("instances-generation.txt"),
    encoding: readEncoding(pathOf("encoding.json")),
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
