/** Where the original tools' code comes from: a folder of checkouts, or their repositories at pinned commits. */
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ORIGINAL_FLAGS } from "../support/original-flags.js";

const GITHUB = process.env.EVOKE_GITHUB_MIRROR ?? "https://raw.githubusercontent.com";

const SOURCES = {
  "just-eval": {
    at: "Re-Align/just-eval/3e1a1265e210be1d6ad71624c91da3efc36493ca",
    files: [
      "__init__",
      "_version",
      "evaluate",
      "utils",
      "reward_model",
      "_MULTI_SCORE_TEMPLATE",
      "_SAFETY_SCORE_TEMPLATE",
    ].map((name) => `just_eval/${name}.py`),
  },
  "response-tuning": {
    at: "seokhyunan/response-tuning/65b848e40bdeb01dd80b17b0eadad4d1901d8f6a",
    files: ["eval/safety_eval_utils.py", ...Object.keys(ORIGINAL_FLAGS["response-tuning"]!)],
  },
  "self-instruct": {
    at: "yizhongw/self-instruct/0b26ccaa415992100fa32df62d41b994cf928e23",
    files: Object.keys(ORIGINAL_FLAGS["self-instruct"]!),
  },
  "lm-evaluation-harness": {
    at: "EleutherAI/lm-evaluation-harness/4e7e0d47f33bc71070c1d38394bafbb52b117163",
    files: ["lm_eval/_cli/run.py"],
  },
} as const;

export type Original = keyof typeof SOURCES;

export const wanted = process.env.EVOKE_TEST_ORIGINALS;
export const python = process.env.EVOKE_ORIGINALS_PYTHON ?? "python3";

/** Brings an original's files under `folder`. */
export async function fetchOriginal(name: Original, folder: string): Promise<string> {
  const { at, files } = SOURCES[name];
  const target = join(folder, name);
  for (const file of files) {
    mkdirSync(dirname(join(target, file)), { recursive: true });
    if (wanted !== "1" && existsSync(join(wanted!, name, file))) cpSync(join(wanted!, name, file), join(target, file));
    else {
      const response = await fetch(`${GITHUB}/${at}/${file}`);
      if (!response.ok) throw new Error(`${response.url}: HTTP ${response.status}`);
      writeFileSync(join(target, file), await response.text());
    }
  }
  return target;
}
