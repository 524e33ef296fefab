/**
 * Rules by which a base model answers instructions without any tuning: the rule-based adapter of "Instruction Following
 * without Instruction Tuning" (Hewitt et al. 2024, arXiv 2409.14254, section 6). The next token's distribution is the
 * product of the model's and of the rules': logits are added, as both normalisers are the same for all tokens.
 */
import { readFileSync } from "node:fs";
import { UsageError } from "../errors.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { LogitsProcessor } from "./logits-processors.js";

/**
 * `eos`: the longer the answer, the likelier its end. `diversity`: what was said is less likely. `uniform`: fixed shifts of
 * some tokens, the same at every place.
 */
export const RULES = ["eos", "diversity", "uniform"] as const;
/** Names of the rules by which a base model answers: rising probability of the end, less repetition, shifts of some tokens. */
export type Rule = (typeof RULES)[number];

/** The end's logit rises from 0 to EOS_MOST over this many tokens, beyond which the rule adds nothing. */
const EOS_TOKENS = 250;
const EOS_MOST = 15;
/** After so many tokens the answer ends. */
const MOST_TOKENS = 1024;
/** Shift of a token that was said. */
const SAID = -1.5;

/** What the rules need to know of a vocabulary. */
export interface RuleTokens {
  eos?: number;
  /** Shifts of the rule `uniform`, by token. */
  shifts: ReadonlyMap<number, number>;
}

/** @throws UsageError for a name that is no rule, or one given twice. */
export function checkRules(rules: readonly string[]): asserts rules is readonly Rule[] {
  for (const [i, rule] of rules.entries()) {
    if (!(RULES as readonly string[]).includes(rule))
      throw new UsageError(`rules: there is no ${rule}; expected ${RULES.join(", ")}`);
    if (rules.indexOf(rule) !== i) throw new UsageError(`rules: ${rule} is given twice`);
  }
}

/**
 * Finds the rules' tokens in a vocabulary: those of a file that names the vocabulary's own tokens (prompts/rules), where it
 * has them all; else the single tokens that the texts of default.json are. Texts that are no single token are left out.
 * @param say told what is left out.
 */
export function ruleTokens(tokenizer: Tokenizer, say?: (line: string) => void): RuleTokens {
  const eos = tokenizer.eosId ?? tokenizer.eosIds[0];
  const named = Object.entries(readWords("llama-2").tokens!);
  const ids = named.map(([token]) => tokenizer.tokenToId(token));
  if (ids.every((id) => id !== undefined)) return { eos, shifts: new Map(ids.map((id, i) => [id, named[i]![1]])) };
  const shifts = new Map<number, number>();
  const missing: string[] = [];
  for (const [text, shift] of Object.entries(readWords("default").texts!)) {
    const id = singleToken(tokenizer, text);
    if (id === undefined || shifts.has(id)) missing.push(JSON.stringify(text));
    else shifts.set(id, shift);
  }
  if (missing.length > 0) say?.(`rules: no single token in this vocabulary, so left out: ${missing.join(", ")}`);
  return { eos, shifts };
}

function readWords(name: string): { tokens?: Record<string, number>; texts?: Record<string, number> } {
  return JSON.parse(readFileSync(new URL(`../../prompts/rules/${name}.json`, import.meta.url), "utf8"));
}

/** The token whose text, in the middle of a line, is exactly this. */
function singleToken(tokenizer: Tokenizer, text: string): number | undefined {
  // Vocabularies write a space as ▁ (SentencePiece) or Ġ (bytes), and a newline as itself, its byte or Ċ.
  const forms = [
    text.replaceAll(" ", "▁"),
    text.replaceAll(" ", "Ġ").replaceAll("\n", "Ċ"),
    ...(text === "\n" ? ["<0x0A>"] : []),
  ];
  for (const form of forms) {
    const id = tokenizer.tokenToId(form);
    if (id !== undefined) return id;
  }
  const ids = tokenizer.encode(text, { addSpecialTokens: false });
  return ids.length === 1 && tokenizer.decode(ids) === text ? ids[0] : undefined;
}

/**
 * The rules as changes of an answer's logits.
 * @param user ids of the user's turn.
 */
export function ruleProcessors(
  rules: readonly Rule[],
  { eos, shifts }: RuleTokens,
  user: Iterable<number>,
): LogitsProcessor[] {
  const processors: Record<Rule, () => LogitsProcessor> = {
    eos: () => endLater(eos!),
    diversity: () => saidLess(user),
    uniform: () => ({
      process(logits) {
        for (const [token, shift] of shifts) logits[token]! += shift;
      },
    }),
  };
  return RULES.filter((rule) => rules.includes(rule)).map((rule) => processors[rule]());
}

function endLater(eos: number): LogitsProcessor {
  let written = 0;
  return {
    process(logits) {
      if (written < EOS_TOKENS) logits[eos]! += (EOS_MOST * written) / EOS_TOKENS;
      else if (written >= MOST_TOKENS) {
        const end = Math.max(0, logits[eos]!);
        logits.fill(Number.NEGATIVE_INFINITY);
        logits[eos] = end;
      }
    },
    accept: () => void written++,
  };
}

function saidLess(user: Iterable<number>): LogitsProcessor {
  const said = new Set(user);
  return {
    process(logits) {
      for (const token of said) logits[token]! += SAID;
    },
    accept: (token) => void said.add(token),
  };
}
