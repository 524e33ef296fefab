import { Command, InvalidArgumentError } from "commander";
import { writeJsonl } from "../files/jsonl.js";
import { skipInvalid } from "./data-prepare.js";
import { globalOptions, printJson, say } from "./output.js";

interface MixFlags {
  safety: string;
  count: number[];
  out: string;
  skipInvalid?: boolean;
  mirror?: string;
}

/** `evoke data mix`: the refusal mixture of Response Tuning. */
export function dataMixCommand(): Command {
  return new Command("mix")
    .description("Append safety examples that read like refusals to a data set.")
    .argument("<file>", "prepared rows")
    .option("--safety <file>", "safety examples: a file, or a name from `data list`", "safety")
    .requiredOption(
      "--count <n,…>",
      "how many to append, drawn by --seed (default 0); several make several files",
      parseCounts,
    )
    .requiredOption("--out <file>", 'JSON Lines file; with several counts "+safetyN" is added to its name')
    .option("--skip-invalid", "leave malformed rows out and count them")
    .option("--mirror <url>", "base URL used in place of the Hugging Face Hub")
    .action(mix);
}

async function mix(file: string, flags: MixFlags, self: Command): Promise<void> {
  const globals = globalOptions(self);
  const { locateData } = await import("../data/source-files.js");
  const { prepareRows } = await import("../data/prepare.js");
  const { readPrepared } = await import("../data/read-prepared.js");
  const { mixRefusals } = await import("../data/mix.js");
  const { readDataRecord, writeDataRecord } = await import("../data/record.js");
  const { extentText } = await import("../data/extent.js");
  const skipped = skipInvalid(flags.skipInvalid === true);
  const base = (await readPrepared(file, skipped.onInvalid)).map(({ prompt, completion, source, index }) => ({
    prompt,
    completion,
    source,
    index,
  }));
  const located = await locateData(flags.safety, {
    dataDir: globals.dataDir,
    mirror: flags.mirror,
    say: (line) => say(line, globals),
  });
  const { rows: safety, extent } = await prepareRows(located, { onInvalid: skipped.onInvalid });
  const mixtures = flags.count.map((count) => ({ count, ...mixRefusals(base, safety, count, globals.seed) }));
  const written = mixtures.map(({ count, rows, counts }) => {
    const out = flags.count.length === 1 ? flags.out : outName(flags.out, count);
    writeJsonl(out, rows);
    writeDataRecord(out, [file, ...located.files], {
      made_by: "mix",
      rows: rows.length,
      extents: [...(readDataRecord(file)?.extents ?? []), ...(extent ? [extent] : [])],
      settings: { count, safety: flags.safety, seed: globals.seed ?? 0 },
    });
    say(`${counts.base} + ${counts.added} rows: ${out}`, globals);
    return { out, rows: rows.length, base: counts.base, added: counts.added };
  });
  skipped.report();
  const note = extent && extentText(extent);
  if (note) say(note, globals);
  const refusals = mixtures[0]!.counts.refusals;
  say(`${refusals} of ${safety.length} safety rows read like refusals`, globals);
  if (globals.json) printJson({ safety_rows: safety.length, refusals, invalid: skipped.count(), mixtures: written });
}

function outName(out: string, count: number): string {
  return out.replace(/(\.[^./\\]+)?$/, (ending) => `+safety${count}${ending}`);
}

function parseCounts(text: string): number[] {
  const counts = text.split(",").map((part) => part.trim());
  if (!counts.every((part) => /^\d+$/.test(part)))
    throw new InvalidArgumentError("whole numbers are expected, such as 100,200.");
  return [...new Set(counts.map(Number))];
}
