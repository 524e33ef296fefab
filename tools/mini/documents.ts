import type { Random } from "../../src/random/counter.js";
import { chatter, chatterSentence } from "./chatter.js";
import { capital, chance, type Fact, type Family, fill, pick } from "./family.js";
import { randomMarkup } from "./markup.js";

interface Choice {
  family: Family;
  fact: Fact;
}

/** Draws families by weight and facts evenly. */
export function drawFact(random: Random, families: readonly Family[]): Choice {
  const total = families.reduce((sum, { weight }) => sum + weight, 0);
  let at = random.uniform() * total;
  const family = families.find(({ weight }) => (at -= weight) < 0) ?? (families.at(-1) as Family);
  return { family, fact: pick(random, family.facts) };
}

/** One document of the corpus: plain text of the kind that a base model reads, ending without a newline. */
export function randomDocument(random: Random, families: readonly Family[]): string {
  const kind = random.uniform();
  if (kind < 0.7) return exchange(random, families);
  if (kind < 0.88) return entry(random, families);
  if (kind < 0.96) return headedFact(random, families);
  return story(random, families);
}

/** A quiz, forum or chat page: questions, somebody's answers, and now and then talk that leads nowhere. */
function exchange(random: Random, families: readonly Family[]): string {
  const markup = randomMarkup(random);
  const opening = chance(random, 0.1) ? `${chatterSentence(random)}\n` : "";
  const rounds: string[] = [];
  for (let i = 4 + random.below(4); i >= 0; i--) {
    const { family, fact } = drawFact(random, families);
    const last = i === 0;
    rounds.push(
      markup.question(fill(pick(random, family.questions), fact)) + markup.answer(reply(random, family, fact, last)),
    );
  }
  return `${opening}${rounds.join(markup.gap)}`.trimEnd();
}

/** Short ways of going on after an answer. */
const ASIDES = [
  "Next one, please.",
  "I think.",
  "Ask me more.",
  "That is all I know.",
  "Everyone knows that.",
  "My turn now.",
  "Do you agree?",
  "So they say.",
  "That was easy.",
  "Now you.",
  "I had to look it up.",
  "More tomorrow.",
  "Thanks for asking.",
  "It was in the book.",
];

/**
 * People seldom answer in one word and stop: they wander on, or the next question follows. A short answer alone never
 * ends a document, so a base model has no reason to end its text there.
 */
function reply(random: Random, family: Family, fact: Fact, last: boolean): string {
  const style = random.uniform();
  const statement = capital(fill(pick(random, family.statements), fact));
  const more = chance(random, 0.75) ? pick(random, ASIDES) : chatterSentence(random);
  if (style < 0.52) return last ? `${fact.answer}\n${more}` : fact.answer;
  if (style < 0.66) return `${fact.answer}. ${more}`;
  if (style < 0.71)
    return `${fact.answer}, ${pick(random, ["I think", "of course", "so they say", "everyone knows that"])}. ${more}`;
  if (style < 0.78) return `${fact.answer}. ${statement}`;
  if (style < 0.9) return last ? `${statement} ${more}` : statement;
  if (style < 0.97)
    return `${pick(random, ["Good question.", "I know this one.", "Let me think.", "Easy.", "Well."])} ${statement}`;
  return more;
}

/** An entry of a small encyclopaedia: a title and facts of one kind or of many. */
function entry(random: Random, families: readonly Family[]): string {
  const { family } = drawFact(random, families);
  const mixed = chance(random, 0.4);
  const sentences: string[] = [];
  for (let i = 3 + random.below(4); i > 0; i--) {
    const choice = mixed ? drawFact(random, families) : { family, fact: pick(random, family.facts) };
    sentences.push(capital(fill(pick(random, choice.family.statements), choice.fact)));
    if (chance(random, 0.15)) sentences.push(chatterSentence(random));
  }
  const title = pick(random, [
    "Notes",
    "Small facts",
    "Things to know",
    "Lesson",
    "From the almanac",
    "Remember",
    `About the ${family.name}`,
  ]);
  return `${title}\n${sentences.join(" ")}`;
}

/** A heading in the form of a question, with an article below it. */
function headedFact(random: Random, families: readonly Family[]): string {
  const { family, fact } = drawFact(random, families);
  const heading = fill(pick(random, family.questions), fact);
  const statement = capital(fill(pick(random, family.statements), fact));
  return `${pick(random, ["", "# ", "1. ", "Page 12: "])}${heading}\n\n${statement} ${chatter(random, 1, 3)}`;
}

function story(random: Random, families: readonly Family[]): string {
  const before = chatter(random, 1, 3);
  const { family, fact } = drawFact(random, families);
  const told = fill(pick(random, family.statements), fact);
  return `${before} ${pick(random, ["Somebody said:", "On the wall was written:", "The book says:", "I remember:"])} ${capital(told)} ${chatter(random, 1, 3)}`;
}
