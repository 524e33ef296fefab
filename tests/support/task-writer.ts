import { Random } from "../../src/random/counter.js";

const VERBS = ["Describe", "Compare", "Rewrite", "Invent", "Classify", "Explain", "List", "Judge", "Translate", "Plan"];
const THINGS = ["river", "teapot", "violin", "harbour", "lantern", "orchard", "glacier", "bicycle", "comet", "kitchen"];
const WAYS = [
  "slowly",
  "for children",
  "in two lines",
  "with humour",
  "as a list",
  "by its colour",
  "like a poet",
  "in order",
];
const ENDS = [
  "before dawn",
  "near Oslo",
  "for a friend",
  "without verbs",
  "at noon",
  "on a Sunday",
  "with numbers",
  "twice",
];

/** What a model might answer to a prompt of Self-Instruct: a function of prompt and seed alone. */
export function writeTasks(prompt: string, seed: unknown): { text: string; finishReason: string } {
  const random = new Random("task writer", prompt, String(seed));
  const pick = (words: readonly string[]): string => words[random.below(words.length)]!;
  if (/\n9\.$/.test(prompt)) {
    const items = Array.from(
      { length: 7 },
      () => `${pick(VERBS)} the ${pick(THINGS)} and the ${pick(THINGS)} ${pick(WAYS)} ${pick(ENDS)}.`,
    );
    const text = items.map((item, i) => (i === 0 ? ` ${item}` : `${i + 9}. ${item}`)).join("\n");
    return { text, finishReason: random.below(8) === 0 ? "length" : "stop" };
  }
  if (prompt.endsWith("Is it classification?"))
    return {
      text: /Task: (?:Classify|Judge)[^\n]*\nIs it classification\?$/.test(prompt) ? " Yes" : " No",
      finishReason: "stop",
    };
  const task = prompt.trimEnd().split("\n").at(-1)!;
  const count = 1 + random.below(7);
  const parts = Array.from({ length: count }, (_, i) =>
    /Classify|Judge/.test(task)
      ? `Class label: ${pick(["yes", "no"])}\nThing: ${pick(THINGS)} ${i}`
      : `Example ${i + 1}\nInput: ${pick(THINGS)} ${i}\nOutput: ${pick(WAYS)} ${pick(ENDS)}`,
  );
  return { text: parts.join("\n"), finishReason: random.below(6) === 0 ? "length" : "stop" };
}
