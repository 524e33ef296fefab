import type { ChoiceTask } from "../task.js";

/** PIQA (Bisk et al. 2020, arXiv 1911.11641): which of two ways reaches the goal? */
export const piqa: ChoiceTask = {
  kind: "choice",
  name: "piqa",
  title: "PIQA",
  version: "1.0",
  data: { folder: "piqa", hub: "baber/piqa" },
  split: "validation",
  shots: 0,
  fewShot: { split: "train", sampler: "random", leavesOutDocument: true },
  delimiter: " ",
  metrics: ["acc", "acc_norm"],
  read(row) {
    return {
      context: `Question: ${row.text("goal")}\nAnswer:`,
      choices: [row.text("sol1"), row.text("sol2")],
      gold: row.integer("label"),
    };
  },
};
