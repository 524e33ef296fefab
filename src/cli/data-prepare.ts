import { Command } from "commander";
import { UsageError } from "../errors.js";
import { interruptible } from "./interrupt.js";
import { globalOptions, parseCount, printJson, say } from "./output.js";

interface PrepareFlags {
  out: string;
  maxExamples?: number;
  maxCharacters?: number;
  skip?: number;
  skipInvalid?: boolean;
  mirror?: string;
  promptColumn?: string;
  completionColumn?: string;
  inputColumn?: string;
}

/** `evoke data prepare`: any source into rows of prompt and completion. */
export function dataPrepareCommand(): Command {
  return new Command("prepare")
    .description("Bring a data set into training form: rows of prompt, completion, source and index.")
    .argument("<name>", "a name from `data list`, hf:ORG/NAME[@REV][:SPLIT], or a file")
    .requiredOption("--out <file>", "JSON Lines file to write")
    .option("--max-examples <n>", "keep at most this many, drawn by --seed (default seed 0)", parseCount)
    .option(
      "--max-characters <n>",
      "only rows of at most this many characters, prompt and response together",
      parseCount,
    )
    .option("--skip <n>", "leave out the first rows of the draw: with one seed, two sets share no row", parseCount)
    .option("--skip-invalid", "leave malformed rows out and count them")
    .option("--mirror <url>", "base URL used in place of the Hugging Face Hub")
    .option("--prompt-column <name>", "column with the prompt")
    .option("--completion-column <name>", "column with the response")
    .option("--input-column <name>", "column joined to the prompt after a blank line")
    .action(prepare);
}

async function prepare(name: string, flags: PrepareFlags, self: Command): Promise<void> {
  const globals = globalOptions(self);
  const { prepareData } = await import("../api/prepare-data.js");
  const { out, mirror, maxExamples, maxCharacters, skip, skipInvalid = false } = flags;
  const { rows, source, files, read, multiTurn, invalid, extent } = await interruptible((signal) =>
    prepareData({
      ...{ data: name, out, mirror, maxExamples, maxCharacters, skip, skipInvalid, signal },
      seed: globals.seed,
      dataDir: globals.dataDir,
      columns: columnsOf(flags),
      onProgress: (event) => event.type === "notice" && say(event.message, globals),
    }),
  );
  sayInvalid(invalid);
  const report = { source, files, read, rows: rows.length, multi_turn: multiTurn };
  if (globals.json) printJson({ ...report, invalid: invalid.length, out, extent: extent ?? null });
  const { extentText } = await import("../data/extent.js");
  const note = extent && extentText(extent);
  if (note) say(note, globals);
  const left = multiTurn > 0 ? `, ${multiTurn} multi-turn talks left out` : "";
  say(`${rows.length} rows of ${read} read from ${source}${left}: ${out}`, globals);
}

function columnsOf({ promptColumn, completionColumn, inputColumn }: PrepareFlags) {
  if (promptColumn === undefined && completionColumn === undefined && inputColumn === undefined) return undefined;
  if (promptColumn === undefined || completionColumn === undefined)
    throw new UsageError("--prompt-column and --completion-column are needed together");
  return { prompt: promptColumn, completion: completionColumn, input: inputColumn };
}

const SHOWN = 10;

/** `--skip-invalid`: a handler that collects malformed rows' messages, and a report of them on stderr. */
export function skipInvalid(on: boolean): {
  onInvalid?: (message: string) => void;
  count: () => number;
  report: () => void;
} {
  const messages: string[] = [];
  return {
    onInvalid: on ? (message) => void messages.push(message) : undefined,
    count: () => messages.length,
    report: () => sayInvalid(messages),
  };
}

/** The first rows that were left out, and how many. */
export function sayInvalid(messages: readonly string[]): void {
  for (const message of messages.slice(0, SHOWN)) say(`skipped ${message}`);
  if (messages.length > SHOWN) say(`… and ${messages.length - SHOWN} more`);
  if (messages.length > 0) say(`${messages.length} malformed rows skipped`);
}
