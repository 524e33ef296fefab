import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../errors.js";
import { ALPACA_OUTPUTS } from "./alpaca-files.js";

/** Where a run, or an evaluation's results, keep AlpacaEval outputs. */
const PLACES = [join("evals", "alpaca_eval", ALPACA_OUTPUTS), join("alpaca_eval", ALPACA_OUTPUTS), ALPACA_OUTPUTS];

/** The outputs in a folder: of a run (`evals/alpaca_eval/`), of an evaluation (`alpaca_eval/`), or right in it. */
export function outputsIn(folder: string): string | undefined {
  return PLACES.map((place) => join(folder, place)).find((path) => existsSync(path));
}

/**
 * The file of outputs that a reference names: a file, or a folder that holds one.
 *
 * @throws UsageError when there is none.
 */
export function referenceFile(reference: string): string {
  if (!existsSync(reference)) throw new UsageError(`${reference}: no such file or folder of AlpacaEval outputs`);
  if (!statSync(reference).isDirectory()) return reference;
  const found = outputsIn(reference);
  if (!found) throw new UsageError(`${reference}: holds no ${PLACES.slice(0, 2).join(" and no ")}`);
  return found;
}
