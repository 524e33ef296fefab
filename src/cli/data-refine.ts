import { basename } from "node:path";
import { Command } from "commander";
import { UsageError } from "../errors.js";
import { writeJsonl } from "../files/jsonl.js";
import { createProgress } from "../progress/progress.js";
import { skipInvalid } from "./data-prepare.js";
import { addLocalFlags, type LocalFlags } from "./generation-flags.js";
import { addLlmOptions, type LlmFlags, llmModelOptions, sayUsage, withModel } from "./llm-options.js";
import { globalOptions, parseCount, parseNumber, printJson, say } from "./output.js";

interface RefineFlags extends LlmFlags, LocalFlags {
  refiner: string;
  out?: string;
  prompt?: string;
  originalPrompts?: boolean;
  marker: string;
  maxNewTokens: number;
  temperature: number;
  skipInvalid?: boolean;
}

const ERRORS_SHOWN = 10;

/** `evoke data refine`: responses rewritten by a language model. */
export function dataRefineCommand(): Command {
  const command = new Command("refine")
    .description("Let a language model rewrite each response for clarity, structure and tone.")
    .argument("<file>", "prepared rows")
    .requiredOption("--refiner <model>", "model folder, .gguf, hf:…, pip:…, or openai:NAME@BASE_URL")
    .option("--out <file>", "JSON Lines file to write (default: FILE_refined_by_REFINER.jsonl)")
    .option("--prompt <file>", "prompt with {prompt} and {response} in place of the built-in one")
    .option("--original-prompts", "ask with Response Tuning's prompt (fetched)")
    .option("--marker <text>", "what the refined response comes after, in any case", "Refined response:")
    .option("--max-new-tokens <n>", "most tokens of an answer", parseCount, 8192)
    .option(
      "--temperature <number>",
      "0 takes the most probable token; above 0 answers are drawn by --seed (default 0)",
      parseNumber,
      0,
    )
    .option("--skip-invalid", "leave malformed rows out and count them");
  return addLocalFlags(addLlmOptions(command)).action(refine);
}

async function refine(file: string, flags: RefineFlags, self: Command): Promise<void> {
  const globals = globalOptions(self);
  const { readPrepared } = await import("../data/read-prepared.js");
  const { loadRefineTemplate, originalRefineTemplate } = await import("../data/refine-template.js");
  const { refineRows } = await import("../data/refine.js");
  const { originsText } = await import("../data/prompt-origin.js");
  const { localRecord } = await import("../llm/local-record.js");
  const { withJournal } = await import("../llm/journal.js");
  const { readDataRecord, writeDataRecord } = await import("../data/record.js");
  const { sha256 } = await import("../files/sha256.js");
  if (flags.originalPrompts && flags.prompt !== undefined)
    throw new UsageError("data refine: --original-prompts excludes --prompt");
  const source = { dataDir: globals.dataDir, say: (line: string) => say(line, globals) };
  const { template, origin } = flags.originalPrompts
    ? await originalRefineTemplate(source)
    : loadRefineTemplate(flags.prompt);
  const skipped = skipInvalid(flags.skipInvalid === true);
  const rows = await readPrepared(file, skipped.onInvalid);
  const out = flags.out ?? refinedName(file, flags.refiner);
  const progress = createProgress({ label: "refine", total: rows.length, unit: "rows", quiet: globals.quiet });
  await withModel(flags.refiner, llmModelOptions(flags, globals), globals, async (model, signal) => {
    const journal = withJournal(model.language, `${out}.journal`);
    try {
      const {
        rows: refined,
        counts,
        errors,
      } = await refineRows(rows, journal, {
        template,
        marker: flags.marker,
        maxTokens: flags.maxNewTokens,
        temperature: flags.temperature,
        seed: globals.seed,
        signal,
        onProgress: (done) => progress.update(done),
      });
      writeJsonl(out, refined);
      const { refiner, marker, maxNewTokens, temperature } = flags;
      writeDataRecord(out, [file], {
        made_by: "refine",
        rows: refined.length,
        extents: readDataRecord(file)?.extents ?? [],
        settings: {
          refiner,
          marker,
          maxNewTokens,
          temperature,
          seed: globals.seed ?? 0,
          prompt_sha256: sha256(template),
        },
      });
      progress.finish();
      skipped.report();
      for (const error of errors.slice(0, ERRORS_SHOWN)) say(`failed ${error}`);
      const rate = counts.extracted / counts.rows;
      if (globals.json) {
        const { extracted, changed, truncated, failed } = counts;
        const usage = model.usage ?? null;
        const totals = { rows: counts.rows, extracted, extraction_rate: rate, changed, truncated, failed };
        printJson({
          refiner: flags.refiner,
          ...totals,
          errors,
          invalid: skipped.count(),
          usage,
          out,
          prompts: [origin],
          ...localRecord(model.language),
        });
      }
      sayUsage(model.usage, globals);
      say(`prompt: ${originsText([origin])}`, globals);
      say(
        `extracted ${counts.extracted} of ${counts.rows} refined responses (${(100 * rate).toFixed(2)} %), ${counts.changed} changed, ${counts.failed} failed: ${out}`,
        globals,
      );
    } finally {
      progress.finish();
      journal.close();
    }
  });
}

/** `lima.jsonl` refined by `openai:org/Big-Model@http://…` → `lima_refined_by_Big-Model.jsonl`. */
export function refinedName(file: string, refiner: string): string {
  const reference = refiner
    .split(/@https?:\/\//)[0]!
    .replace(/^(?:openai|hf|pip|bundled):/, "")
    .split("==")[0]!;
  const name = basename(reference.replace(/[/\\]+$/, ""))
    .replace(/\.gguf$/i, "")
    .replace(/[^\w.+-]+/g, "-");
  return `${file.replace(/\.[^./\\]+$/, "")}_refined_by_${name || "model"}.jsonl`;
}
