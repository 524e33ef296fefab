import { Command } from "commander";
import { UsageError } from "../errors.js";
import type { EvalFlags } from "./eval-flags.js";
import { type GlobalOptions, globalOptions, parseCount, printJson } from "./output.js";

/** Metrics of a file that was judged before: no model is asked. */
export async function reportFile(suites: readonly string[], flags: EvalFlags, globals: GlobalOptions): Promise<void> {
  const [suite] = suites;
  if (suites.length !== 1) throw new UsageError("eval: report one suite's file at a time");
  const report = await reportOf(suite!, flags, globals);
  if (globals.json) printJson(report);
  else process.stdout.write(plainText(report));
}

async function reportOf(suite: string, flags: EvalFlags, { dataDir }: GlobalOptions): Promise<Record<string, unknown>> {
  if (flags.annotations) {
    if (suite !== "alpaca_eval") throw new UsageError(`eval ${suite}: --annotations belongs to alpaca_eval`);
    const { readAnnotations, reportAnnotations, annotationSummary, difficultyInstructions } = await import(
      "../eval/suites/alpaca-annotations.js"
    );
    const { rows, recomputed } = await readAnnotations(flags.annotations);
    const others = [];
    for (const path of flags.against ?? []) others.push((await readAnnotations(path)).rows);
    const { difficulty } = flags;
    const instructions =
      difficulty === undefined
        ? undefined
        : await difficultyInstructions(difficulty, { dataDir, mirror: flags.mirror });
    const report = reportAnnotations(rows, { others, difficulty, instructions, recomputed });
    if (report.lengthControlledProblem && (difficulty ?? flags.against))
      throw new UsageError(report.lengthControlledProblem);
    return annotationSummary(report);
  }
  if (flags.judgements) {
    if (suite !== "just_eval") throw new UsageError(`eval ${suite}: --judgements belongs to just_eval`);
    const { reportJudgements } = await import("../eval/suites/just-eval.js");
    return { ...(await reportJudgements(flags.judgements, flags.notApplicable, flags.layout)) };
  }
  const { reportRefusalLabels } = await import("../eval/suites/refusal-labels.js");
  return { ...(await reportRefusalLabels(flags.labels!)) };
}

/** Nested figures, one a line: `metrics.acc.value  0.5`. */
function plainText(report: unknown, prefix = ""): string {
  if (typeof report !== "object" || report === null) return `${prefix.padEnd(36)} ${report}\n`;
  return Object.entries(report)
    .map(([name, value]) => plainText(value, prefix ? `${prefix}.${name}` : name))
    .join("");
}

/** `evoke eval compare A B` */
export function evalCompareCommand(): Command {
  return new Command("compare")
    .description("Compare two result folders row by row: paired bootstrap and sign test.")
    .argument("<a>", "results folder of an evaluation")
    .argument("<b>", "results folder of another evaluation on the same rows")
    .option("--samples <n>", "bootstrap resamples", parseCount, 10_000)
    .action(async (a: string, b: string, { samples }: { samples: number }, self: Command) => {
      refuseFlagsAbove(self);
      const globals = globalOptions(self);
      const { compareRuns, comparisonText } = await import("../eval/compare.js");
      const compared = await compareRuns(a, b, { samples, seed: globals.seed });
      if (globals.json) printJson(compared);
      else process.stdout.write(comparisonText(compared));
    });
}

/** Flags of `eval` itself, which commander gives to `eval` wherever they stand, would have no effect here. */
function refuseFlagsAbove(self: Command): void {
  const above = self.parent;
  const given = above?.options.find((option) => above.getOptionValueSource(option.attributeName()) === "cli");
  if (given) throw new UsageError(`eval compare: ${given.long} has no effect here; leave it out`);
}
