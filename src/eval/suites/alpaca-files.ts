/** Files that the original AlpacaEval reads: answers, and the command that judges them. */
import { isAbsolute, join, relative, resolve } from "node:path";
import { writeFileAtomically } from "../../files/atomic-write.js";
import { shellWord, writeJsonFile } from "../hand-over.js";
import { answersFolder, type SuiteContext } from "../suite.js";

export const ALPACA_OUTPUTS = "model_outputs.json";
/** The annotator of Response Tuning's runs, AlpacaEval 2's own. */
const ANNOTATORS = "weighted_alpaca_eval_gpt4_turbo";

const alpacaFolder = (context: SuiteContext): string => answersFolder(context, "alpaca_eval");

/** Writes `model_outputs.json` and `vs_REFERENCE/run_eval.sh`, which judges it with the original tool. Returns the script's path. */
export function writeAlpacaInputs(
  context: SuiteContext,
  outputs: readonly { instruction: string; dataset: string; output: string }[],
): string {
  const folder = alpacaFolder(context);
  // Response Tuning's scripts call a greedy model so.
  const name = context.layout === "rt" ? `${context.generator}-greedy` : context.generator;
  writeJsonFile(
    join(folder, ALPACA_OUTPUTS),
    outputs.map((row) => ({ ...row, generator: name })),
  );
  const { reference } = context;
  const versus = reference
    ? `vs_${shortOf(reference)
        .replace(/[/\\:]/g, "_")
        .replace(/\.json$/, "")}`
    : "vs_default_reference";
  const flags: [string, string][] = [
    ["--model_outputs", join("..", ALPACA_OUTPUTS)],
    ["--annotators_config", ANNOTATORS],
    ["--name", name],
    ["--output_path", "."],
    ...(reference ? [["--reference_outputs", resolve(reference)] as [string, string]] : []),
  ];
  const words = [...flags.map(([flag, value]) => `  ${flag} ${shellWord(value)}`), '  "$@"'];
  const script = join(folder, versus, "run_eval.sh");
  writeFileAtomically(
    script,
    `#!/usr/bin/env bash\n# Judges these answers with the original AlpacaEval; OPENAI_API_KEY holds the key.\ncd "$(dirname "$0")" || exit 1\nalpaca_eval evaluate \\\n${words.join(" \\\n")}\n`,
  );
  return script;
}

/** A path below the working folder is named from there. */
function shortOf(path: string): string {
  const near = relative(".", path);
  return near.startsWith("..") || isAbsolute(near) ? path : near;
}

/** Writes `annotations.json` in the original's form. */
export function writeAnnotations(context: SuiteContext, annotations: readonly object[]): void {
  writeJsonFile(join(alpacaFolder(context), "annotations.json"), annotations);
}
