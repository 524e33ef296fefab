/** A recipe to start from: the few settings one has to choose, and all others as comments with what they mean. */
import { stringify } from "yaml";
import { parseRecipe } from "./load.js";
import type { PresetName } from "./presets.js";
import { recipeJsonSchema } from "./schema.js";

export const TRAINING_MODES = ["it", "rt", "text"] as const;
export type Mode = (typeof TRAINING_MODES)[number];

export interface Starter {
  model: string;
  /** Training rows, relative to the recipe's folder. */
  data: string;
  mode: Mode;
  preset: PresetName;
}

interface SchemaNode {
  description?: string;
  properties?: Record<string, SchemaNode>;
  default?: unknown;
}

const WIDTH = 110;

/**
 * YAML text. Settings in force stand as they are; every other field is a comment, with the value that the preset or
 * the program gives it.
 */
export function starterRecipe({ model, data, mode, preset }: Starter, path: string): string {
  const chosen = { model, preset, mode, data: { path: data } };
  const values = parseRecipe(chosen, path) as unknown as Record<string, unknown>;
  const { properties = {} } = recipeJsonSchema() as SchemaNode;
  const lines = [
    `# A training recipe: evoke train ${path}`,
    "# ## explains the line below it; # before a setting shows what holds unless you change it.",
    "",
  ];
  const write = (name: string, node: SchemaNode, value: unknown, given: unknown, indent: string): void => {
    for (const line of wrapped(node.description ?? "", indent)) lines.push(line);
    if (node.properties) {
      const anyGiven = given !== undefined;
      const absent = value === undefined;
      lines.push(anyGiven ? `${indent}${name}:` : `${indent}# ${name}:`);
      for (const [key, child] of Object.entries(node.properties))
        write(
          key,
          child,
          absent ? undefined : (value as Record<string, unknown>)[key],
          anyGiven ? (given as Record<string, unknown>)[key] : undefined,
          anyGiven ? `${indent}  ` : `${indent}#   `,
        );
      return;
    }
    const shown = given ?? value ?? node.default;
    const text = shown === undefined ? "" : ` ${stringify(shown, { collectionStyle: "flow", lineWidth: 0 }).trim()}`;
    const commented = given === undefined && !indent.includes("#");
    lines.push(`${indent}${commented ? "# " : ""}${name}:${text}`);
  };
  const order = Object.keys(chosen);
  const rest = Object.keys(properties).filter((name) => !order.includes(name));
  for (const name of [...order, ...rest]) {
    write(name, properties[name]!, values[name], (chosen as Record<string, unknown>)[name], "");
    lines.push("");
  }
  return `${lines.join("\n").trimEnd()}\n`;
}

/** The description as comment lines of bounded width. */
function wrapped(text: string, indent: string): string[] {
  const open = `${indent}## `;
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter((part) => part !== "")) {
    if (line !== "" && open.length + line.length + 1 + word.length > WIDTH) {
      lines.push(open + line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  if (line !== "") lines.push(open + line);
  return lines;
}
