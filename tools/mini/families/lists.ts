import { Random } from "../../../src/random/counter.js";
import { type Fact, type Family, pick } from "../family.js";
import { numberWords } from "./numbers.js";

const words =
  `apple moon table river stone cloud green small happy horse bread window garden paper silver cold winter music
  bridge king yellow boat mountain quick letter cow egg lamp sugar fox door seven night road glass friend market salt
  wolf chair song blue tower field coat rain spoon clock dark fish north leaf warm candle wheel island pear`.split(
    /\s+/,
  );

const CORPUS_INSTANCES = 6000;

function listOf(random: Random, least: number, most: number): string[] {
  return random.sample(words, least + random.below(most - least + 1));
}

function family(
  name: string,
  make: (random: Random) => Fact,
  templates: Pick<Family, "questions" | "statements" | "weight">,
): Family {
  const random = new Random("mini", "lists", name);
  const facts = Array.from({ length: CORPUS_INSTANCES }, () => make(random));
  const known = new Set(facts.map(({ x }) => x));
  const fresh = (other: Random): Fact => {
    for (;;) {
      const fact = make(other);
      if (!known.has(fact.x)) return fact;
    }
  };
  return { name, facts, fresh, tasks: 2, ...templates };
}

const firstOf = (random: Random): Fact => {
  const list = listOf(random, 3, 4);
  return { x: list.join(", "), answer: list[0] as string };
};
const lastOf = (random: Random): Fact => {
  const list = listOf(random, 3, 4);
  return { x: list.join(", "), answer: list.at(-1) as string };
};
const countOf = (random: Random): Fact => {
  const list = listOf(random, 2, 5);
  return { x: list.join(", "), answer: numberWords[list.length] as string };
};
/** Two words, so that fresh instances exist. */
const echo = (random: Random): Fact => {
  const text = `${pick(random, words)} ${pick(random, words)}`;
  return { x: text, answer: text };
};

export const lists: Family[] = [
  family("first-word", firstOf, {
    questions: [
      "What is the first word in this list: {x}?",
      "Give the first word of: {x}.",
      "Which word comes first in: {x}?",
    ],
    statements: ["In the list {x}, the first word is {a}.", "{A} is the first word of: {x}."],
    weight: 3,
  }),
  family("last-word", lastOf, {
    questions: [
      "What is the last word in this list: {x}?",
      "Give the last word of: {x}.",
      "Which word comes last in: {x}?",
    ],
    statements: ["In the list {x}, the last word is {a}.", "{A} is the last word of: {x}."],
    weight: 3,
  }),
  family("count-words", countOf, {
    questions: ["How many words are in this list: {x}?", "Count the words: {x}.", "What number of words is in: {x}?"],
    statements: ["The list {x} has {a} words.", "There are {a} words in: {x}."],
    weight: 2,
  }),
  family("repeat", echo, {
    questions: ["Repeat these words: {x}.", "Say after me: {x}.", "Write these words again: {x}."],
    statements: ["Again and again the bird said {x}, {x}.", "The sign said {x}, and she read {x}."],
    weight: 3,
  }),
];
