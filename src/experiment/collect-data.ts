import { existsSync } from "node:fs";
import { join } from "node:path";
import { countWords } from "../data/count-words.js";
import { type DataExtent, extentText } from "../data/extent.js";
import { originsIn, originsText } from "../data/prompt-origin.js";
import { readPrepared } from "../data/read-prepared.js";
import { recordNotes } from "../data/record.js";
import { mean } from "../metrics/statistics.js";
import type { DataFigures, Histogram } from "../report/experiment/report-data.js";
import type { OpenExperiment } from "./open.js";
import { dataStep } from "./plan-data.js";
import { readStepMark } from "./record.js";
import { FINETUNING_FILE, ROWS_FILE } from "./step.js";

/** Bins of word counts; each is about one and a half times the one before. */
const EDGES = [0, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000];

/** What each data entry holds. */
export async function collectData(
  { loaded, out, steps }: OpenExperiment,
  done: ReadonlySet<string>,
): Promise<DataFigures[]> {
  const figures: DataFigures[] = [];
  for (const [name, entry] of Object.entries(loaded.experiment.data)) {
    const step = steps.find(({ id }) => id === dataStep(name));
    if (step && !done.has(step.id)) continue;
    const folder = step && join(out, step.folder);
    const file = step?.kind === "self-instruct" ? FINETUNING_FILE : ROWS_FILE;
    const paths = folder ? [join(folder, file)] : [entry.path!].flat();
    const rows = [];
    for (const path of paths) if (existsSync(path)) rows.push(...(await readPrepared(path, () => {})));
    const summary = (folder && step && readStepMark(folder, step.key)?.summary) || {};
    const { seed: _, extent, ...rest } = summary as { seed?: unknown; extent?: DataExtent } & Record<string, unknown>;
    const own = extent && extentText(extent);
    const notes = [...(own ? [own] : []), ...(step ? [] : paths.flatMap(recordNotes))];
    const counts = Object.entries(rest).filter((pair): pair is [string, number] => typeof pair[1] === "number");
    const prompts = originsText(originsIn(summary.prompts));
    figures.push({
      name,
      kind: step?.kind ?? "file",
      rows: rows.length,
      notes,
      counts: Object.fromEntries(counts.filter(([key]) => key !== "rows" && key !== "threads")),
      ...(prompts ? { prompts } : {}),
      promptWords: histogram(rows.map(({ prompt }) => countWords(prompt))),
      responseWords: histogram(rows.map(({ completion }) => countWords(completion))),
    });
  }
  return figures;
}

function histogram(values: readonly number[]): Histogram {
  const counts = EDGES.map(() => 0);
  for (const value of values) counts[EDGES.findLastIndex((edge) => value >= edge)]!++;
  return { mean: values.length ? mean(values) : 0, edges: EDGES, counts };
}
