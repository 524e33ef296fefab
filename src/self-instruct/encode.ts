import { PY_WORD, strip } from "../data/python-text.js";
import { MersenneTwister } from "../random/mersenne.js";
import type { Instance } from "./parse-instances.js";
import type { EncodingTemplate, SelfInstructPrompts } from "./prompts.js";

/**
 * "plain": the completion is the output, as chat trainers want it, and the prompt ends in white space, so that trainers which join both
 * keep them apart. "continuation": a text that goes on from the prompt, with its leading space and an end marker, as the
 * original project made for GPT-3. In neither do prompt and completion touch.
 */
export type CompletionStyle = "plain" | "continuation";

export interface EncodedRow {
  prompt: string;
  completion: string;
}

const FIELD_NAME = new RegExp(`([${PY_WORD}]+):`, "gu");
const END_MARKER = "<|endoftext|>";

/**
 * Step 7 (section 2.4, appendix): each instance written with a template drawn at random; for half of them the input is
 * first simplified. Rows that came out equal are kept once; the order is shuffled. Same seed, same rows. The draws are those of the
 * original's code with Python's generator of that seed.
 */
export function encodeInstances(
  instances: readonly Instance[],
  templates: SelfInstructPrompts["encoding"],
  seed: number,
  style: CompletionStyle = "plain",
): EncodedRow[] {
  const rows = new Map<string, EncodedRow>();
  const random = new MersenneTwister(seed);
  for (const instance of instances) {
    const input = random.random() < 0.5 ? simplifyInput(instance.input) : instance.input;
    const template = random.choice(strip(input) === "" ? templates.withoutInput : templates.withInput);
    const row = fill(template, { ...instance, input }, style);
    rows.set(JSON.stringify([row.prompt, row.completion]), row);
  }
  return random.shuffle([...rows.values()]);
}

/** Drops the field name of an input that has exactly one distinct `name:`, and folds blank lines. */
export function simplifyInput(input: string): string {
  const names = new Set([...input.matchAll(FIELD_NAME)].map((match) => match[1]));
  const rest = names.size === 1 ? input.slice(input.indexOf(":") + 1) : input;
  return strip(rest).replaceAll("\n\n", "\n");
}

function fill({ prompt, completion }: EncodingTemplate, instance: Instance, style: CompletionStyle): EncodedRow {
  const values: Record<string, string> = {
    instruction: strip(instance.instruction),
    input: strip(instance.input),
    output: strip(instance.output),
  };
  const put = (template: string): string =>
    template.replace(/\{(instruction|input|output)\}/g, (_, name: string) => values[name]!);
  const asked = put(prompt);
  const text = put(completion);
  if (style === "continuation") return { prompt: asked, completion: text + END_MARKER };
  return { prompt: /\s$/.test(asked) ? asked : `${asked}\n`, completion: strip(text) };
}
