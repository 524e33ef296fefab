/** The README of a pushed run: what it is, how it was made, and its figures, from what the run recorded. */
import { parse, stringify } from "yaml";

export interface CardFacts {
  name: string;
  kind: "adapter" | "model";
  /** Base model as the Hub names it; undefined for one that is not there. */
  base?: string;
  /** recipe.yaml of the run. */
  recipe: string;
  /** SHA-256 by file. */
  data: Readonly<Record<string, string>>;
  /** In the order they are shown. */
  figures: readonly (readonly [name: string, value: string])[];
  mode: string;
  /** How conversations are written for it. */
  template: string;
  version: string;
}

export function modelCard(facts: CardFacts): string {
  const { name, kind, base, recipe, data, figures } = facts;
  const header = stringify({
    ...(base ? { base_model: base } : {}),
    library_name: kind === "adapter" ? "peft" : "transformers",
    pipeline_tag: "text-generation",
    tags: [
      "evoke",
      facts.mode === "rt" ? "response-tuning" : "instruction-tuning",
      ...(kind === "adapter" ? ["lora"] : []),
    ],
  });
  const how =
    facts.mode === "rt"
      ? "response tuning: it saw responses alone, no instructions"
      : facts.mode === "it"
        ? "instruction tuning"
        : "plain language modelling";
  const files = Object.entries(data).map(
    ([path, sha]) => `| ${path.split(/[/\\]/).at(-1)} | \`${sha.slice(0, 16)}…\` |`,
  );
  return `---
${header}---

# ${name}

${kind === "adapter" ? "An adapter (PEFT)" : "A model"} made with evoke ${facts.version} by ${how}.
${base ? `Its base is [${base}](https://huggingface.co/${base}).` : "Its base is not on the Hub."} Conversations are written for it
with ${facts.template === "tulu" ? "the tags `<|user|>` and `<|assistant|>`" : "its base's chat template"}; the template is part of this repository.

## Figures

| | |
|---|---|
${figures.map(([label, value]) => `| ${label} | ${value} |`).join("\n")}

## Data

| file | SHA-256 |
|---|---|
${files.join("\n")}

## Recipe

\`\`\`yaml
${withoutPaths(recipe)}\`\`\`
`;
}

/** Folders of the machine that trained are nobody's business. */
function withoutPaths(recipe: string): string {
  const clean = (value: unknown): unknown => {
    if (typeof value === "string") return /^([/~]|[A-Za-z]:\\)/.test(value) ? value.split(/[/\\]/).at(-1) : value;
    if (Array.isArray(value)) return value.map(clean);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, clean(inner)]));
  };
  return stringify(clean(parse(recipe)));
}
