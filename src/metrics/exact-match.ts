/**
 * Answer extraction and comparison of GSM8K as lm-evaluation-harness does it (tasks `gsm8k` and `gsm8k_cot_llama`).
 */

/** What a filter gives when nothing matches; never equal to an answer. */
export const INVALID_ANSWER = "[invalid]";

/** How an answer is found in a text. */
export interface AnswerFilter {
  /** Global expression; of a match's groups the first that is not empty is the answer. */
  pattern: RegExp;
  /** Which of several matches counts. */
  take: "first" | "last";
}

/** `gsm8k`, strict: the number after the four hashes that the shots show. */
export const GSM8K_STRICT: AnswerFilter = { pattern: /#### (-?[0-9.,]+)/g, take: "first" };

/** `gsm8k` and `gsm8k_cot_llama`, flexible: the last number of the text. */
export const GSM8K_FLEXIBLE: AnswerFilter = { pattern: /(-?[$0-9.,]{2,})|(-?[0-9]+)/g, take: "last" };

/** `gsm8k_cot_llama`, strict: the number of the closing sentence. */
export const GSM8K_CHAT_STRICT: AnswerFilter = {
  pattern: /The final answer is ((-?[$0-9.,]{2,})|(-?[0-9]+))/g,
  take: "last",
};

/** The answer that a filter finds in a text, trimmed, or `[invalid]`. */
export function extractAnswer(text: string, filter: AnswerFilter): string {
  const matches = [...text.matchAll(filter.pattern)];
  const match = filter.take === "first" ? matches[0] : matches.at(-1);
  const answer = match?.slice(1).find((group) => group);
  return answer === undefined ? INVALID_ANSWER : answer.trim();
}

/**
 * Text as it is compared: thousands separators, dollar signs, everything up to the last `#### ` and a closing full stop
 * are deleted, then lower case.
 */
export function normalizeAnswer(text: string): string {
  return text
    .replaceAll(",", "")
    .replaceAll("$", "")
    .replace(/[\s\S]*#### /, "")
    .replace(/\.(?=\n?$)/, "")
    .toLowerCase();
}

/** 1 when prediction and reference are equal after normalisation, else 0. */
export function exactMatch(prediction: string, reference: string): 0 | 1 {
  return normalizeAnswer(prediction) === normalizeAnswer(reference) ? 1 : 0;
}
