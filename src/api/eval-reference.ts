import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";
import { outputsIn, referenceFile } from "../eval/suites/reference-outputs.js";
import { readExperiment } from "../experiment/record.js";

/**
 * What `--reference` names: a file of outputs, the folder of a run or an evaluation that holds one, or `EXPERIMENT:ARM`, an arm of an
 * experiment's folder.
 *
 * @throws UsageError when there is no such file, or an arm has several.
 */
export function resolveReference(reference: string): string {
  const at = reference.lastIndexOf(":");
  const folder = reference.slice(0, at);
  if (existsSync(reference) || at < 2 || !existsSync(folder)) {
    const arms = armsOf(reference);
    if (arms.length > 0 && !outputsIn(reference))
      throw new UsageError(
        `${reference}: is an experiment; name an arm of it, ${reference}:ARM, of ${arms.join(", ")}`,
      );
    return referenceFile(reference);
  }
  return armOutputs(folder, reference.slice(at + 1));
}

const armsOf = (folder: string): string[] => [
  ...new Set(readExperiment(folder)?.steps.flatMap((step) => step.arm ?? []) ?? []),
];

function armOutputs(folder: string, arm: string): string {
  const record = readExperiment(folder);
  if (!record) throw new UsageError(`${folder}: holds no experiment (experiment.json)`);
  const arms = armsOf(folder);
  if (!arms.includes(arm)) throw new UsageError(`${folder}: no arm "${arm}"; there are ${arms.join(", ")}`);
  const found = record.steps
    .filter((step) => step.arm === arm)
    .flatMap((step) => outputsIn(join(folder, step.folder)) ?? []);
  if (found.length === 0) throw new UsageError(`${folder}: arm "${arm}" has no AlpacaEval outputs yet`);
  // Where a server judges, the answers lie in the step that wrote them and, the same, in the one that judged them.
  const different = new Set(found.map((path) => readFileSync(path, "utf8"))).size;
  if (different > 1)
    throw new UsageError(`${folder}: arm "${arm}" has several AlpacaEval outputs; name one: ${found.join(", ")}`);
  return found[0]!;
}
