import { capitalize, strip } from "../../data/python-text.js";
import type { ChoiceTask } from "../task.js";

/** HellaSwag (Zellers et al. 2019, arXiv 1905.07830): which ending continues the text? */
export const hellaswag: ChoiceTask = {
  kind: "choice",
  name: "hellaswag",
  title: "HellaSwag",
  version: "1.0",
  data: {
    folder: "hellaswag",
    hub: "Rowan/hellaswag",
    standIns: ["validation_1000_preprocessed.jsonl", "validation_499_raw.jsonl"],
  },
  split: "validation",
  shots: 0,
  fewShot: { split: "train", sampler: "random", leavesOutDocument: true },
  delimiter: " ",
  metrics: ["acc", "acc_norm"],
  read(row) {
    const gold = row.integer("label");
    const endings = row.texts("endings");
    // Rows whose text is prepared already have `query` in place of the data set's own columns.
    if (!row.has("ctx_a") && row.has("query")) return { context: row.text("query"), choices: endings, gold };
    const text = `${row.text("activity_label")}: ${row.text("ctx_a")} ${capitalize(row.text("ctx_b"))}`;
    return { context: clean(text), choices: endings.map(clean), gold };
  },
};

/** Takes WikiHow's marks out. An ending that began with one keeps the space behind it. */
function clean(text: string): string {
  return strip(text)
    .replaceAll(" [title]", ". ")
    .replace(/\[[^\n]*?\]/g, "")
    .replaceAll("  ", " ");
}
