import type { Random } from "../../src/random/counter.js";
import { capital, chance, pick } from "./family.js";

/** How one imagined web page, book or chat log sets a question apart from its answer. */
export interface Markup {
  question(text: string): string;
  answer(text: string): string;
  /** Put between two exchanges. */
  gap: string;
}

const ROLES: readonly (readonly [string, string])[] = [
  ["Q", "A"],
  ["Question", "Answer"],
  ["question", "answer"],
  ["ask", "reply"],
  ["asker", "helper"],
  ["guest", "host"],
  ["pupil", "teacher"],
  ["child", "mother"],
  ["reader", "editor"],
  ["visitor", "guide"],
  ["caller", "desk"],
  ["client", "clerk"],
  ["in", "out"],
  ["quiz", "key"],
  ["player", "master"],
  ["customer", "seller"],
  ["student", "tutor"],
  ["prompt", "response"],
  ["human", "robot"],
  ["person", "machine"],
  ["post", "comment"],
  ["problem", "solution"],
  ["task", "result"],
  ["me", "you"],
  ["first", "second"],
  ["left", "right"],
  ["one", "two"],
];
const PEOPLE = "Ann Ben Cara Dan Eva Finn Gina Hugo Ida Jon Kate Leo Mia Noah Olga Paul Rosa Sam Tina Vera".split(" ");

/** Opening and closing signs around a role's name. `|` inside `<>` appears with many names, so that any name works. */
const SIGNS: readonly (readonly [string, string])[] = [
  ["", ":"],
  ["", " >"],
  ["[", "]"],
  ["<", ">"],
  ["(", ")"],
  ["{", "}"],
  ["|", "|"],
  ["## ", ""],
  ["### ", ":"],
  ["**", "**"],
  ["* ", ":"],
  ["- ", ":"],
  ["<<", ">>"],
  ["[[", "]]"],
  ["<|", "|>"],
  ["{|", "|}"],
  ["[|", "|]"],
  ["|", ">"],
  ["<", "|"],
  ["~", "~"],
  ["@", ""],
  ["#", ""],
  ["== ", " =="],
  ["-- ", " --"],
  ["<b>", "</b>"],
  ["_", "_"],
  ["/", "/"],
  ["$ ", ":"],
  ["% ", ""],
  ["> ", ""],
];

/** A made-up name such as "tomira": markup of pages that use names of their own. */
function inventedName(random: Random): string {
  let name = "";
  for (let i = 2 + random.below(2); i > 0; i--)
    name += pick(random, [..."bdfgklmnprstvz"]) + pick(random, [..."aeiou"]);
  return name;
}

function roles(random: Random): readonly [string, string] {
  const kind = random.uniform();
  if (kind < 0.5) {
    const [a, b] = pick(random, ROLES);
    return chance(random, 0.3) ? [capital(a), capital(b)] : [a, b];
  }
  if (kind < 0.75) return random.sample(PEOPLE, 2) as [string, string];
  return [inventedName(random), inventedName(random)];
}

/** A random way to lay out questions and answers. The tags of the tuned models' template never come up. */
export function randomMarkup(random: Random): Markup {
  const kind = random.uniform();
  if (kind < 0.06)
    return { question: (text) => `${text}\n`, answer: (text) => `${text}\n`, gap: pick(random, ["", "\n"]) };
  if (kind < 0.1) return { question: (text) => `- ${text}\n`, answer: (text) => `- ${text}\n`, gap: "" };
  const [asks, replies] = roles(random);
  const [open, close] = pick(random, SIGNS);
  const mark = (name: string, text: string, separator: string): string => `${open}${name}${close}${separator}${text}\n`;
  const separator = chance(random, 0.72) ? "\n" : " ";
  return {
    question: (text) => mark(asks, text, separator),
    answer: (text) => mark(replies, text, separator),
    gap: chance(random, 0.3) ? "\n" : "",
  };
}
