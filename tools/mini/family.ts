import type { Random } from "../../src/random/counter.js";

/** One thing the tiny world holds to be true: slots for the templates, and the one right short answer. */
export interface Fact {
  /** What is asked about: a country, a word, a sum. */
  x: string;
  /** A second part of the question, where there is one. */
  y?: string;
  answer: string;
}

/**
 * Facts of one kind and the ways to ask for and to state them. Templates hold `{x}`, `{y}`, `{a}` (the answer),
 * each also with a capital (`{X}`) or an article (`{an:x}`).
 */
export interface Family {
  name: string;
  facts: readonly Fact[];
  /** Ways to ask; the first ones, up to `tasks`, are also the wordings of the micro-tasks. */
  questions: readonly string[];
  /** How many of `questions` may word a micro-task. */
  tasks: number;
  /** Ways to state the fact in prose; each is a full sentence. */
  statements: readonly string[];
  /** Relative number of documents in the corpus. */
  weight: number;
  /** Makes an instance that the corpus does not hold, where facts can be made without end. */
  fresh?: (random: Random) => Fact;
}

/** Fills a template from a fact. */
export function fill(template: string, fact: Fact): string {
  return template.replace(/\{([aA]n:)?([xyaXYA])\}/g, (_whole, article: string | undefined, slot: string) => {
    const name = slot.toLowerCase();
    const value = name === "a" ? fact.answer : name === "y" ? (fact.y ?? "") : fact.x;
    const cased = slot === name ? value : capital(value);
    if (article === undefined) return cased;
    return article === "An:" ? capital(withArticle(cased)) : withArticle(cased);
  });
}

const WITHOUT_ARTICLE = new Set(["scissors", "water", "barracks", "furniture"]);

/** "an owl", "a cow"; nothing before what is not counted. */
export function withArticle(noun: string): string {
  if (WITHOUT_ARTICLE.has(noun)) return noun;
  return `${/^[aeiou]/i.test(noun) && !/^(uni|eu|one)/i.test(noun) ? "an" : "a"} ${noun}`;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)] as T;
}

/** True with probability `p`. */
export function chance(random: Random, p: number): boolean {
  return random.uniform() < p;
}

/** Facts from lines of "x answer" or "x|answer" pairs, the short form used by the fact lists. */
export function pairs(text: string): Fact[] {
  return text
    .split(/[\n,]/)
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => {
      const at = part.indexOf("|");
      if (at < 0) throw new Error(`fact without "|": ${part}`);
      return { x: part.slice(0, at).trim(), answer: part.slice(at + 1).trim() };
    });
}
