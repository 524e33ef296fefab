import type { Rule } from "../generate/rules.js";
import type { BertScoreFlags } from "./bert-score-flags.js";
import type { LocalFlags } from "./generation-flags.js";
import type { LlmFlags } from "./llm-options.js";

/** Flags of `evoke eval`. */
export interface EvalFlags extends LlmFlags, LocalFlags, BertScoreFlags {
  model?: string;
  out?: string;
  limit?: number;
  shots?: number;
  k?: number;
  eosToken?: string;
  rules?: Rule[];
  chatTemplate?: "tulu" | "model" | "none";
  prompt?: string;
  rows?: string[];
  outputs?: string[];
  bos: "tokenizer" | "none";
  layout?: "rt";
  judge?: string;
  judgePrompt?: string;
  judgeSafetyPrompt?: string;
  judgeMaxNewTokens?: number;
  retryUnreadable?: number;
  originalPrompts?: boolean;
  reference?: string;
  difficulty?: string;
  maxNewTokens?: number;
  skipInvalid?: boolean;
  mirror?: string;
  annotations?: string;
  against?: string[];
  judgements?: string[];
  labels?: string;
  notApplicable?: "missing" | "original-report";
}
