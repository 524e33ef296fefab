import type { Fact, Family } from "../family.js";

export const numberWords =
  `zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty`.split(
    " ",
  );

const days = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(" ");
const months = "January February March April May June July August September October November December".split(" ");
const letters = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];

function neighbours(items: readonly string[], step: 1 | -1, wrap: boolean): Fact[] {
  return items.flatMap((x, i) => {
    const answer = items[wrap ? (i + step + items.length) % items.length : i + step];
    return answer === undefined ? [] : [{ x, answer }];
  });
}

const sumFacts: Fact[] = [];
for (let a = 1; a <= 19; a++)
  for (let b = 1; a + b <= 20; b++) sumFacts.push({ x: String(a), y: String(b), answer: String(a + b) });

export const sums: Family = {
  name: "sum",
  facts: sumFacts,
  questions: ["What is {x} + {y}?", "Add {x} and {y}.", "How much is {x} plus {y}?", "{x} + {y} = ?"],
  tasks: 2,
  statements: [
    "{x} + {y} = {a}.",
    "{x} plus {y} is {a}.",
    "If you add {x} and {y} you get {a}.",
    "{x} apples and {y} apples make {a} apples.",
  ],
  weight: 8,
};

export const asWord: Family = {
  name: "number-word",
  facts: numberWords.map((answer, x) => ({ x: String(x), answer })),
  questions: [
    "Write the number {x} as a word.",
    "How do you write {x} in letters?",
    "What is the word for the number {x}?",
  ],
  tasks: 2,
  statements: ["The number {x} is written {a}.", "{A} is the word for {x}.", "In words, {x} is {a}."],
  weight: 1,
};

export const asDigits: Family = {
  name: "number-digits",
  facts: numberWords.map((x, answer) => ({ x, answer: String(answer) })),
  questions: ["Write {x} in digits.", "Which number is {x}?", "How do you write {x} as a number?"],
  tasks: 2,
  statements: ["In digits, {x} is {a}.", "{X} is {a}.", "The number {x} has the digits {a}."],
  weight: 1,
};

export const nextNumber: Family = {
  name: "next-number",
  facts: Array.from({ length: 30 }, (_, n) => ({ x: String(n), answer: String(n + 1) })),
  questions: ["Which number comes after {x}?", "What number follows {x}?", "Count on from {x}: what is next?"],
  tasks: 2,
  statements: ["After {x} comes {a}.", "The number {a} follows {x}.", "Counting, we say {x}, then {a}."],
  weight: 1,
};

function order(name: string, what: string, facts: Fact[], direction: "after" | "before"): Family {
  const verb = direction === "after" ? "follows" : "precedes";
  return {
    name,
    facts,
    questions: [
      `Which ${what} comes ${direction} {x}?`,
      `Name the ${what} ${direction} {x}.`,
      `What ${what} ${verb} {x}?`,
    ],
    tasks: 2,
    statements: [`The ${what} ${direction} {x} is {a}.`, `{a} comes ${direction} {x}.`, `The ${what} {a} ${verb} {x}.`],
    weight: 1,
  };
}

export const orders: Family[] = [
  order("day-after", "day", neighbours(days, 1, true), "after"),
  order("day-before", "day", neighbours(days, -1, true), "before"),
  order("month-after", "month", neighbours(months, 1, true), "after"),
  order("month-before", "month", neighbours(months, -1, true), "before"),
  order("letter-after", "letter", neighbours(letters, 1, false), "after"),
  order("letter-before", "letter", neighbours(letters, -1, false), "before"),
];
