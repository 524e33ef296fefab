import { Command } from "commander";
import { sha256OfFile } from "../files/sha256.js";
import { dataFilterCommand } from "./data-filter.js";
import { dataMixCommand } from "./data-mix.js";
import { dataPrepareCommand } from "./data-prepare.js";
import { dataRefineCommand } from "./data-refine.js";
import { dataReportCommand } from "./data-report.js";
import { globalOptions, parseCount, printJson, say } from "./output.js";

/** `evoke data …`: public and own data in training form. */
export function dataCommand(): Command {
  return new Command("data")
    .description("Fetch, prepare, refine, mix and inspect training data.")
    .addCommand(listCommand())
    .addCommand(getCommand())
    .addCommand(dataPrepareCommand())
    .addCommand(statsCommand())
    .addCommand(headCommand())
    .addCommand(dataRefineCommand())
    .addCommand(dataMixCommand())
    .addCommand(dataFilterCommand())
    .addCommand(dataReportCommand());
}

function listCommand(): Command {
  return new Command("list")
    .description("List the known data sets.")
    .action(async (_options: unknown, self: Command) => {
      const { json, dataDir } = globalOptions(self);
      const { DATA_SOURCES } = await import("../data/sources.js");
      const { findLocalCopy } = await import("../data/source-files.js");
      const rows = DATA_SOURCES.map((source) => {
        const { name, aliases, title, licence, rows: count, remote } = source;
        const from = "url" in remote ? remote.url : `hf:${remote.repo}`;
        return {
          name,
          aliases,
          title,
          licence,
          rows: count,
          from,
          path: findLocalCopy(source, { dataDir })?.path ?? null,
        };
      });
      if (json) {
        printJson(rows);
        return;
      }
      for (const { name, title, rows: count, licence, path } of rows)
        process.stdout.write(
          `${name.padEnd(20)} ${String(count).padStart(6)} rows  ${title}\n${" ".repeat(34)}${licence}${path ? ` · ${path}` : ""}\n`,
        );
    });
}

function getCommand(): Command {
  return new Command("get")
    .description("Fetch a data set and print where it lies.")
    .argument("<name>", "a name from `data list`, or hf:ORG/NAME[@REV][:SPLIT]")
    .option("--mirror <url>", "base URL used in place of the Hugging Face Hub")
    .action(async (name: string, { mirror }: { mirror?: string }, self: Command) => {
      const globals = globalOptions(self);
      const { locateData } = await import("../data/source-files.js");
      const { files } = await locateData(name, { dataDir: globals.dataDir, mirror, say: (line) => say(line, globals) });
      if (globals.json) printJson({ name, files: files.map((path) => ({ path, sha256: sha256OfFile(path) })) });
      else for (const path of files) process.stdout.write(`${path}\n`);
    });
}

function statsCommand(): Command {
  return new Command("stats")
    .description("Counts and lengths of a data file.")
    .argument("<file>", "JSONL, JSON, CSV, TSV or Parquet")
    .action(async (file: string, _options: unknown, self: Command) => {
      const { json } = globalOptions(self);
      const { readPrepared } = await import("../data/read-prepared.js");
      const { dataStats } = await import("../data/stats.js");
      const { recordNotes } = await import("../data/record.js");
      const stats = dataStats(await readPrepared(file));
      const notes = recordNotes(file);
      if (json) {
        printJson({ ...stats, notes });
        return;
      }
      const spread = ({ min, mean, median, p90, max }: typeof stats.promptWords): string =>
        `mean ${mean.toFixed(1)}, median ${median}, 90 % ≤ ${p90}, ${min}–${max}`;
      const sources = Object.entries(stats.sources).map(([name, count]) => `${name} ${count}`);
      process.stdout.write(
        [
          `rows              ${stats.rows} (${sources.join(", ")})`,
          `duplicates        ${stats.duplicates}, repeated prompts ${stats.repeatedPrompts}`,
          `empty responses   ${stats.emptyCompletions}`,
          `prompt words      ${spread(stats.promptWords)}`,
          `response words    ${spread(stats.completionWords)}`,
          ...notes.map((note) => `not the whole set ${note}`),
          "",
        ].join("\n"),
      );
    });
}

function headCommand(): Command {
  return new Command("head")
    .description("Show the first rows of a data file.")
    .argument("<file>", "JSONL, JSON, CSV, TSV or Parquet")
    .option("-n, --rows <count>", "how many", parseCount, 5)
    .action(async (file: string, { rows: count }: { rows: number }, self: Command) => {
      const { json } = globalOptions(self);
      const { readRows } = await import("../data/read-rows.js");
      const rows: Record<string, unknown>[] = [];
      if (count > 0)
        for await (const { row } of readRows(file)) {
          rows.push(row);
          if (rows.length === count) break;
        }
      if (json) printJson(rows);
      else for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`);
    });
}
