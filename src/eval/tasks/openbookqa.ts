import type { ChoiceTask } from "../task.js";

/** OpenBookQA (Mihaylov et al. 2018, arXiv 1809.02789): elementary science, without the book. */
export const openbookqa: ChoiceTask = {
  kind: "choice",
  name: "openbookqa",
  title: "OpenBookQA",
  version: "1.0",
  data: { folder: "openbookqa", hub: "allenai/openbookqa", config: "main" },
  split: "test",
  shots: 0,
  fewShot: { split: "train", sampler: "random" },
  delimiter: " ",
  metrics: ["acc", "acc_norm"],
  read(row) {
    const choices = row.row("choices");
    const labels = choices.texts("label");
    const gold = labels.indexOf(row.text("answerKey").trimStart());
    if (gold < 0) throw row.problem("answerKey", `is none of the labels ${labels.join(", ")}`);
    return { context: row.text("question_stem"), choices: choices.texts("text"), gold };
  },
};
