import nlp from "compromise/two";
import { Random } from "../../random/counter.js";

/** The root verb of an instruction and its direct object, as base forms; undefined where none is found. */
export interface VerbNoun {
  verb?: string;
  noun?: string;
}

export interface VerbCount {
  verb: string;
  count: number;
  /** Most frequent first. */
  nouns: { noun: string; count: number }[];
}

export interface VerbFigures {
  /** Instructions read: all, or a sample drawn by the seed of a large set. */
  instructions: number;
  of: number;
  /** Instructions with a root verb, and those with a direct object as well. */
  withVerb: number;
  withNoun: number;
  distinctVerbs: number;
  distinctPairs: number;
  /** Verbs that have a direct object, most frequent first; counts are of the pairs. */
  verbs: VerbCount[];
}

interface Term {
  text: string;
  normal: string;
  root?: string | null;
  /** What stands behind the word: white space and punctuation. */
  post: string;
  tags: Set<string>;
}

/** Openings that hand something over before the task is told: "Given a list, sort it." */
const LEAD_INS = new Set([
  "given",
  "using",
  "based",
  "considering",
  "assuming",
  "imagine",
  "suppose",
  "if",
  "for",
  "in",
]);
const DATIVES = new Set(["me", "us", "him", "her", "them"]);
const ADVERBS = new Set(["please", "then", "now", "kindly"]);
/** Behind the first word they make it a verb: "Brainstorm a list", "Tell if …". */
const AFTER_A_VERB = new Set(["if", "whether"]);
const QUANTIFIERS = new Set(["all", "both", "each", "following"]);

/**
 * Finds the root verb and its direct object's head noun in the first sentence, from word classes alone: there is no
 * parse, so a rare construction is read wrongly. Made for imperatives in English ("Write a short poem" → write, poem).
 */
export function rootVerbAndObject(instruction: string): VerbNoun {
  const doc = nlp(instruction.slice(0, 400));
  doc.compute("root");
  const terms = (doc as unknown as { docs: Term[][] }).docs[0] ?? [];
  const at = rootVerb(terms);
  if (at < 0) return {};
  const verb = baseForm(terms[at]!);
  const object = objectHead(terms, at);
  return object === undefined ? { verb } : { verb, noun: baseForm(object) };
}

const MOST_INSTRUCTIONS = 20_000;

/** Counts root verbs and objects over instructions; equal counts are in alphabetic order. */
export function verbFigures(all: readonly string[], seed: number): VerbFigures {
  const instructions = new Random("verb sample", seed).sample(all, MOST_INSTRUCTIONS);
  const pairs = new Map<string, Map<string, number>>();
  let withVerb = 0;
  let withNoun = 0;
  const distinct = new Set<string>();
  for (const instruction of instructions) {
    const { verb, noun } = rootVerbAndObject(instruction);
    if (verb === undefined) continue;
    withVerb++;
    distinct.add(verb);
    if (noun === undefined) continue;
    withNoun++;
    let nouns = pairs.get(verb);
    if (!nouns) pairs.set(verb, (nouns = new Map()));
    nouns.set(noun, (nouns.get(noun) ?? 0) + 1);
  }
  const verbs = [...pairs].map(([verb, counts]) => {
    const nouns = byCount(
      [...counts].map(([noun, count]) => ({ noun, count })),
      ({ noun }) => noun,
    );
    return { verb, count: nouns.reduce((sum, { count }) => sum + count, 0), nouns };
  });
  return {
    instructions: instructions.length,
    of: all.length,
    withVerb,
    withNoun,
    distinctVerbs: distinct.size,
    distinctPairs: verbs.reduce((sum, { nouns }) => sum + nouns.length, 0),
    verbs: byCount(verbs, ({ verb }) => verb),
  };
}

function byCount<T extends { count: number }>(items: T[], name: (item: T) => string): T[] {
  return items.sort((a, b) => b.count - a.count || (name(a) < name(b) ? -1 : 1));
}

function rootVerb(terms: readonly Term[]): number {
  const first = terms.findIndex(({ normal, tags }) => !ADVERBS.has(normal) && !tags.has("Adverb"));
  if (first < 0) return -1;
  const comma = terms.findIndex(({ post }, i) => i > first && post.includes(","));
  const opening = terms[first]!;
  if (LEAD_INS.has(opening.normal) || (comma > 0 && opening.tags.has("Gerund")))
    return terms.findIndex((term, i) => i > Math.max(comma, first) && isMainVerb(term) && isPlain(term));
  const next = terms[first + 1];
  const opensObject = next?.tags.has("Determiner") || next?.tags.has("Value") || AFTER_A_VERB.has(next?.normal ?? "");
  if (opensObject && opening.tags.has("Noun")) return first;
  for (let at = first; at < terms.length; at++) {
    if (isMainVerb(terms[at]!)) return at;
    // "What is …": the root is the copula, which has no object; "I am planning …" goes on.
    if (terms[at]!.tags.has("Copula") && !terms[at + 1]?.tags.has("Gerund")) return -1;
  }
  return -1;
}

const isPlain = ({ tags }: Term): boolean => tags.has("Infinitive") || tags.has("Imperative");

function isMainVerb({ normal, tags }: Term): boolean {
  if (!tags.has("Verb") || normal === "does" || normal === "did") return false;
  return !["Auxiliary", "Copula", "Modal", "Particle"].some((tag) => tags.has(tag));
}

/** The last noun of the noun phrase that follows the verb: "give me three good reasons" → reasons. */
function objectHead(terms: readonly Term[], verb: number): Term | undefined {
  let at = verb + 1;
  if (endsClause(terms[verb])) return undefined;
  while (isParticle(terms[at])) at++;
  if (DATIVES.has(terms[at]?.normal ?? "") && !endsClause(terms[at])) at++;
  let head: Term | undefined;
  for (; at < terms.length; at++) {
    const term = terms[at]!;
    if (isNoun(term)) head = term;
    else if (head || !opensNounPhrase(term, terms[at + 1])) break;
    if (head && endsClause(term)) break;
    if (term.tags.has("Possessive")) head = undefined;
  }
  return head;
}

const endsClause = (term: Term | undefined): boolean => /[,;:.?!)]/.test(term?.post ?? "");
const isParticle = (term: Term | undefined): boolean =>
  term !== undefined &&
  (term.tags.has("Particle") || (term.tags.has("PhrasalVerb") && /^(?:up|out|down|off|over)$/.test(term.normal)));
const isNoun = ({ normal, tags }: Term): boolean =>
  tags.has("Noun") && !tags.has("Pronoun") && !QUANTIFIERS.has(normal);

/** Articles, adjectives, numbers and participles before a noun, and what joins two adjectives. */
function opensNounPhrase({ normal, tags }: Term, next: Term | undefined): boolean {
  if (QUANTIFIERS.has(normal) || ["Determiner", "Adjective", "Value", "Possessive"].some((tag) => tags.has(tag)))
    return true;
  if (tags.has("Adverb") && (next?.tags.has("Adjective") || next?.tags.has("Noun"))) return true;
  if ((normal === "and" || normal === "or") && next?.tags.has("Adjective")) return true;
  return tags.has("Participle") || tags.has("PastTense") || tags.has("Gerund");
}

function baseForm({ root, normal, text }: Term): string {
  return (root || normal || text).toLowerCase();
}
