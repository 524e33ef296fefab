import { GSM8K_FLEXIBLE, GSM8K_STRICT } from "../../metrics/exact-match.js";
import type { AnswerTask } from "../task.js";

/** GSM8K (Cobbe et al. 2021, arXiv 2110.14168): grade-school word problems, five worked examples before each. */
export const gsm8k: AnswerTask = {
  kind: "answer",
  name: "gsm8k",
  title: "GSM8K",
  version: "3.0",
  data: { folder: "gsm8k", hub: "openai/gsm8k", config: "main" },
  split: "test",
  shots: 5,
  fewShot: { split: "train", sampler: "random" },
  delimiter: " ",
  isChat: false,
  stop: ["Question:", "</s>", "<|im_end|>"],
  maxTokens: 256,
  filters: { strict: GSM8K_STRICT, flexible: GSM8K_FLEXIBLE },
  read: (row) => ({ context: `Question: ${row.text("question")}\nAnswer:`, target: row.text("answer") }),
};
