import { expect, it } from "vitest";
import { parse } from "yaml";
import { modelCard } from "./model-card.js";

it("says what a run is, without the folders of the machine that trained it", () => {
  const card = modelCard({
    name: "NAME",
    kind: "adapter",
    base: "ORG/BASE",
    recipe: "model: hf:ORG/BASE\ndata:\n  path: [/home/someone/rows.jsonl]\nlora:\n  r: 8\n",
    data: { "/home/someone/rows.jsonl": "ab".repeat(32) },
    figures: [["steps", "12"]],
    mode: "rt",
    template: "tulu",
    version: "1.0.0",
  });
  const [, header] = card.split("---\n");
  expect(parse(header!)).toEqual({
    base_model: "ORG/BASE",
    library_name: "peft",
    pipeline_tag: "text-generation",
    tags: ["evoke", "response-tuning", "lora"],
  });
  expect(card).toContain("| steps | 12 |");
  expect(card).toContain("| rows.jsonl | `abababababababab…` |");
  expect(card).toContain("    - rows.jsonl\n");
  expect(card).not.toContain("/home");
});
