/** Whether a value read from a file is a result: files are edited, cut and written by other versions. */
import type { GenerateResult, ScoreResult, TokenLogprob } from "./language-model.js";

type Members = Record<string, unknown>;

export function isGenerateResult(value: unknown): value is GenerateResult {
  if (!isMembers(value) || !isAnswer(value) || !isCount(value.promptTokens) || !isCount(value.outputTokens))
    return false;
  return (
    isOptional(value.truncated, (given) => given === true) &&
    isOptional(value.stopText, (given) => typeof given === "string") &&
    isOptional(value.alternatives, (given) => Array.isArray(given) && given.every(isAnswer))
  );
}

export function isScoreResult(value: unknown): value is ScoreResult {
  return isMembers(value) && isNumber(value.logprob) && isCount(value.tokens) && typeof value.isGreedy === "boolean";
}

function isAnswer(value: unknown): boolean {
  if (!isMembers(value) || typeof value.text !== "string") return false;
  if (value.finishReason !== "stop" && value.finishReason !== "length") return false;
  return isOptional(value.logprobs, (given) => Array.isArray(given) && given.every(isTokenLogprob));
}

function isTokenLogprob(value: unknown): value is TokenLogprob {
  if (!isMembers(value) || typeof value.token !== "string" || !isNumber(value.logprob)) return false;
  return (
    Array.isArray(value.top) &&
    value.top.every((top) => isMembers(top) && typeof top.token === "string" && isNumber(top.logprob))
  );
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isOptional(value: unknown, check: (value: unknown) => boolean): boolean {
  return value === undefined || check(value);
}

/** JSON writes −∞ and NaN as null, which would count as 0: such a call is made again. */
function isNumber(value: unknown): boolean {
  return typeof value === "number";
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}
