import { strip } from "../../data/python-text.js";
import type { ChoiceTask } from "../task.js";
import { MMLU_GROUPS } from "./mmlu-subjects.js";

const LETTERS = ["A", "B", "C", "D"];

/** MMLU (Hendrycks et al. 2021, arXiv 2009.03300): 57 subjects, four choices. */
export const mmlu: ChoiceTask = {
  kind: "choice",
  name: "mmlu",
  title: "MMLU",
  version: "1.0",
  data: { folder: "mmlu", hub: "cais/mmlu", config: "all" },
  split: "test",
  shots: 0,
  fewShot: { split: "dev", sampler: "first" },
  delimiter: " ",
  metrics: ["acc"],
  parts: {
    of: (row) => row.text("subject"),
    describe: (subject) =>
      `The following are multiple choice questions (with answers) about ${subject.replaceAll("_", " ")}.\n\n`,
    groups: MMLU_GROUPS,
  },
  read(row) {
    const choices = row.texts("choices");
    if (choices.length !== LETTERS.length) throw row.problem("choices", `holds ${choices.length} choices, not four`);
    const lines = choices.map((choice, i) => `${LETTERS[i]}. ${choice}\n`).join("");
    return {
      context: `${strip(row.text("question"))}\n${lines}Answer:`,
      choices: LETTERS,
      gold: row.integer("answer"),
    };
  },
};
