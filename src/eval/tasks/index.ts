import type { Task } from "../task.js";
import { arcChallenge, arcEasy } from "./arc.js";
import { gsm8k } from "./gsm8k.js";
import { gsm8kCotLlama } from "./gsm8k-cot-llama.js";
import { hellaswag } from "./hellaswag.js";
import { mmlu } from "./mmlu.js";
import { openbookqa } from "./openbookqa.js";
import { piqa } from "./piqa.js";

/** Benchmarks with a known right answer. */
export const TASKS: readonly Task[] = [arcEasy, arcChallenge, hellaswag, openbookqa, piqa, mmlu, gsm8k, gsm8kCotLlama];

/** Names that stand for several benchmarks; the value reported for one is the plain mean of its members'. */
export const TASK_SETS: Readonly<Record<string, readonly string[]>> = {
  arc: ["arc_easy", "arc_challenge"],
  core: ["mmlu", "openbookqa", "hellaswag", "arc", "gsm8k_cot_llama", "piqa"],
};
