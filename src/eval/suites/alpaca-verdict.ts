import type { GenerateResult } from "../../llm/language-model.js";
import { preferenceFromLogprobs } from "../../metrics/alpaca-preference.js";
import { letterOf, readPreferenceLetter } from "../../metrics/preference-letter.js";

export interface Preference {
  /** 1 (the reference is better) … 2 (the model is better). */
  preference: number;
  /** Read from what the judge wrote: it gave no log-probability of the letters, so this is 1 or 2. */
  isFromText: boolean;
}

/**
 * The preference in a judge's reply: from the log-probabilities of the letters at the place of its verdict, else from its text.
 *
 * @param switched whether the outputs were shown in swapped places.
 * @returns `undefined` when the reply names neither letter.
 */
export function readPreference(
  { text, finishReason, logprobs = [], outputTokens }: GenerateResult,
  switched: boolean,
): Preference | undefined {
  // A reply of one letter ends for length where one token is allowed: that is the whole of it.
  const letter = readPreferenceLetter(text, letterOf(text) ? "stop" : finishReason);
  const isOneToken = outputTokens <= 1 && logprobs.length <= 1;
  const place = isOneToken ? logprobs[0] : logprobs.findLast(({ token }) => letter && letterOf(token) === letter);
  // Local tokenizers write the letter with the blank before it; the letters' meaning is the same.
  const letters = (place?.top ?? []).map(({ token, logprob }) => ({ token: token.replace(/[▁Ġ\s]/g, ""), logprob }));
  const preference = preferenceFromLogprobs(letters, switched);
  if (preference !== undefined) return { preference, isFromText: false };
  if (letter === undefined) return undefined;
  const whole = letter === "M" ? 2 : 1;
  return { preference: switched ? 3 - whole : whole, isFromText: true };
}
