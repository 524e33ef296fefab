/** What is shown of an evaluation's `results.json`. */
import type { Folder } from "./folder.js";
import { join } from "./run-view.js";
import type { EvaluationSummary, Figure } from "./wire.js";

const LIMIT = 16 << 20;

/** Figures of an evaluation's folder; undefined when the file is something else. */
export function evaluationSummary(runs: Folder, id: string): EvaluationSummary | undefined {
  let results: unknown;
  try {
    results = JSON.parse(runs.read(join(id, "results.json"), LIMIT));
  } catch {
    return undefined;
  }
  if (!isMap(results)) return undefined;
  let model: string | undefined;
  const suites = Object.entries(results).flatMap(([name, result]) => {
    if (!isMap(result) || !isMap(result.metrics)) return [];
    if (isMap(result.config) && typeof result.config.model === "string") model = result.config.model;
    const metrics = Object.fromEntries(
      Object.entries(result.metrics).flatMap(([metric, figure]) =>
        isMap(figure)
          ? [[metric, { value: number(figure.value), stderr: number(figure.stderr) } satisfies Figure]]
          : [],
      ),
    );
    return [{ name, n: number(result.n) ?? 0, missing: number(result.missing) ?? 0, metrics }];
  });
  return suites.length === 0 ? undefined : { id, suites, ...(model === undefined ? {} : { model }) };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
