import type { ChoiceTask } from "../task.js";

/** AI2 Reasoning Challenge (Clark et al. 2018, arXiv 1803.05457): science questions of US schools. */
function arc(name: string, title: string, config: string): ChoiceTask {
  return {
    kind: "choice",
    name,
    title,
    version: "1.0",
    data: { folder: name, hub: "allenai/ai2_arc", config },
    split: "test",
    shots: 0,
    fewShot: { split: "train", sampler: "random" },
    delimiter: " ",
    metrics: ["acc", "acc_norm"],
    read(row) {
      const choices = row.row("choices");
      const labels = choices.texts("label");
      const gold = labels.indexOf(row.text("answerKey"));
      if (gold < 0) throw row.problem("answerKey", `is none of the labels ${labels.join(", ")}`);
      return { context: `Question: ${row.text("question")}\nAnswer:`, choices: choices.texts("text"), gold };
    },
  };
}

export const arcEasy = arc("arc_easy", "ARC, easy set", "ARC-Easy");
export const arcChallenge = arc("arc_challenge", "ARC, challenge set", "ARC-Challenge");
