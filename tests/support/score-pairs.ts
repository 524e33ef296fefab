import { expect } from "vitest";
import type { Generator } from "../../src/generate/generator.js";
import type { LanguageModel, ScoreRequest } from "../../src/llm/language-model.js";
import { Random } from "../../src/random/counter.js";

const WORDS = [
  "北京",
  "的首都是",
  "😀",
  "👩‍👩‍👧",
  "é",
  "Straße",
  "नमस्ते",
  "rivers",
  "run",
  "12",
  "345",
  "don't",
  "—",
  "…",
  "a\nb",
];

/** Pairs with trailing and leading white space, tokens that span the border, parts of characters, and chat tags. */
function mixedPairs(count: number): ScoreRequest[] {
  const random = new Random("mixed pairs");
  const text = (count: number): string =>
    Array.from({ length: count }, () => WORDS[random.below(WORDS.length)]!).join(random.uniform() < 0.5 ? " " : "");
  const gap = (): string => ["", " ", "  ", "\n", "\n\n"][random.below(5)]!;
  const plain = Array.from({ length: 0.8 * count }, () => ({
    context: `${gap()}${text(1 + random.below(4))}${gap()}`,
    continuation: `${gap()}${text(1 + random.below(3))}${gap()}`,
  }));
  const chat = Array.from({ length: 0.2 * count }, () => ({
    context: `<|user|>\n${text(3)}\n<|assistant|>\n`,
    continuation: text(2),
  }));
  return [...plain, ...chat];
}

/** Scores `count` mixed pairs here and through a server of the same model: equal within 1e-4, with the same counts and flags. */
export async function expectEqualScores(generator: Generator, remote: LanguageModel, count: number): Promise<void> {
  const pairs = mixedPairs(count);
  expect(pairs).toHaveLength(count);
  // The greedy continuation of some contexts, so that both answers of the flag are there.
  for (const pair of pairs.slice(0, 6)) {
    const context = pair.context.trimEnd();
    const { text } = await generator.generate({ prompt: context, maxTokens: 1, temperature: 0 });
    if (text.trim() !== "" && !text.includes("\ufffd")) Object.assign(pair, { context, continuation: text });
  }
  const local = await generator.score(pairs);
  const scores = await remote.score!(pairs);
  expect(scores.filter(({ problem }) => problem !== undefined)).toEqual([]);
  expect(scores.map(({ tokens }) => tokens)).toEqual(local.map(({ tokens }) => tokens));
  expect(scores.map(({ isGreedy }) => isGreedy)).toEqual(local.map(({ isGreedy }) => isGreedy));
  expect(new Set(local.map(({ isGreedy }) => isGreedy)).size).toBe(2);
  expect(Math.max(...scores.map(({ logprob }, i) => Math.abs(logprob - local[i]!.logprob)))).toBeLessThan(1e-4);
}
