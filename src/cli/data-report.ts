import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { Command, Option } from "commander";
import { UsageError } from "../errors.js";
import { writeFileAtomically } from "../files/atomic-write.js";
import { createProgress } from "../progress/progress.js";
import { skipInvalid } from "./data-prepare.js";
import { type GlobalOptions, globalOptions, parseCount, printJson, say } from "./output.js";

interface ReportFlags {
  out: string;
  title?: string;
  seeds?: string;
  tokenizer?: string;
  maxLength: number;
  template: "tulu" | "model";
  skipInvalid?: boolean;
}

/** `evoke data report`: what a data set holds, as a page. */
export function dataReportCommand(): Command {
  return new Command("report")
    .description(
      "Figures of instruction data as one HTML page, with Markdown beside it: counts, lengths, similarity, verbs and nouns, duplicates, languages, tokens.",
    )
    .argument("<file...>", "data files of any known kind, or the folder of a Self-Instruct run")
    .option(
      "--out <path>",
      "folder for report.html, report.md and report.json; or a page to write, NAME.html, with NAME.md beside it",
      "report.html",
    )
    .option("--title <text>", "heading of the page")
    .option("--seeds <file>", "seed tasks to measure the similarity to: a file, or a name from `data list`")
    .option("--tokenizer <model>", "count tokens and truncation with this model's tokenizer")
    .option("--max-length <n>", "length limit in tokens", parseCount, 2048)
    .addOption(
      new Option("--template <kind>", "how rows are rendered for the tokenizer")
        .choices(["tulu", "model"])
        .default("tulu"),
    )
    .option("--skip-invalid", "leave malformed rows out and count them")
    .action(report);
}

async function report(files: string[], flags: ReportFlags, self: Command): Promise<void> {
  const globals = globalOptions(self);
  const isPage = /\.html?$/i.test(flags.out);
  if (!isPage && existsSync(flags.out) && !statSync(flags.out).isDirectory())
    throw new UsageError(`--out ${flags.out}: is a file; name a folder, or a page ending in .html`);
  const page = isPage ? flags.out : join(flags.out, "report.html");
  if (flags.maxLength < 2) throw new UsageError("--max-length: at least 2 is expected");
  const { readTasks } = await import("../report/data/read-tasks.js");
  const { recordNotes } = await import("../data/record.js");
  const { dataFigures } = await import("../report/data/figures.js");
  const { dataReportHtml } = await import("../report/data/html.js");
  const { dataReportMarkdown } = await import("../report/data/markdown.js");
  const skipped = skipInvalid(flags.skipInvalid === true);
  const progress = createProgress({ label: "data report", total: 6, quiet: globals.quiet });
  let part = 0;
  try {
    const data = await readTasks(files, skipped.onInvalid);
    const extents = files.flatMap(recordNotes);
    const figures = dataFigures(data, {
      seed: globals.seed,
      seeds: flags.seeds === undefined ? undefined : await readSeeds(flags.seeds, globals),
      tokenizer: flags.tokenizer === undefined ? undefined : await openTokenizer(flags.tokenizer, flags, globals),
      invalid: skipped.count(),
      extents,
      onPart: (name) => progress.update(part++, name),
    });
    const title =
      flags.title ?? `Data report: ${files.map((path) => path.split(/[/\\]/).filter(Boolean).at(-1)).join(", ")}`;
    writeFileAtomically(page, dataReportHtml(figures, title));
    const markdown = page.replace(/\.html?$/i, ".md");
    writeFileAtomically(markdown, dataReportMarkdown(figures, title));
    if (!isPage) writeFileAtomically(join(flags.out, "report.json"), `${JSON.stringify(figures, null, 2)}\n`);
    progress.finish();
    skipped.report();
    for (const note of extents) say(note, globals);
    if (globals.json) printJson({ out: page, markdown, ...figures });
    say(`${figures.counts.instructions} instructions, ${figures.counts.instances} instances: ${page}`, globals);
  } finally {
    progress.finish();
  }
}

async function readSeeds(reference: string, globals: GlobalOptions): Promise<string[]> {
  const { locateData } = await import("../data/source-files.js");
  const { readTasks } = await import("../report/data/read-tasks.js");
  const { files } = await locateData(reference, { dataDir: globals.dataDir, say: (line) => say(line, globals) });
  return (await readTasks(files)).tasks.map(({ instruction }) => instruction);
}

async function openTokenizer(name: string, { template, maxLength }: ReportFlags, globals: GlobalOptions) {
  const { locateModel } = await import("../generate/load-model.js");
  const { loadTokenizer } = await import("../tokenizer/tokenizer.js");
  const { path } = await locateModel(name, { say: (line) => say(line, globals) });
  return { tokenizer: await loadTokenizer(path), name: existsSync(name) ? basename(name) : name, template, maxLength };
}
