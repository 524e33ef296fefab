/** The flags that the pages of docs/coming-from account for are those of the programs. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ORIGINAL_FLAGS } from "../support/original-flags.js";
import { fetchOriginal, type Original, python, wanted } from "./sources.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-flags-"));
afterAll(() => rmSync(folder, { recursive: true }));

const CODE: readonly [page: string, program: string, original: Original, file: string][] = [
  ...Object.keys(ORIGINAL_FLAGS["response-tuning"]!).map((file) => page("response-tuning", file)),
  ...Object.keys(ORIGINAL_FLAGS["self-instruct"]!).map((file) => page("self-instruct", file)),
  ["evaluation-tools", "just_eval/evaluate.py", "just-eval", "just_eval/evaluate.py"],
  ["evaluation-tools", "lm_eval", "lm-evaluation-harness", "lm_eval/_cli/run.py"],
];

function page(name: Original, file: string): [string, string, Original, string] {
  return [name, file, name, file];
}

describe.skipIf(!wanted)("flags of the original programs (EVOKE_TEST_ORIGINALS)", () => {
  it.each(CODE)("%s: %s", async (name, program, original, file) => {
    const source = readFileSync(join(await fetchOriginal(original, folder), file), "utf8").replace(/^\s*#.*$/gm, "");
    const found = [...source.matchAll(/add_argument\(\s*(?:["']-\w["'],\s*)?["'](--\w+)["']/g)].map(
      ([, flag]) => flag!,
    );
    expect([...new Set(found)].sort()).toEqual([...ORIGINAL_FLAGS[name]![program]!].sort());
  });

  it("evaluation-tools: alpaca_eval", () => {
    const script =
      "import inspect,json; from alpaca_eval.main import evaluate; p=inspect.signature(evaluate).parameters.values(); print(json.dumps([x.name for x in p if x.kind != x.VAR_KEYWORD]))";
    const names = JSON.parse(execFileSync(python, ["-c", script], { encoding: "utf8" })) as string[];
    expect(names.map((each) => `--${each}`).sort()).toEqual(
      [...ORIGINAL_FLAGS["evaluation-tools"]!.alpaca_eval!].sort(),
    );
  });
});
