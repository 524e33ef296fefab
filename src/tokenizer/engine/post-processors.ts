import { FailureError } from "../../errors.js";
import { type Component, list, refuse } from "./component.js";

/** Puts special tokens around the ids of a text. */
export type PostProcessor = (ids: number[]) => number[];

/** Builds a post-processor of tokenizer.json. `idOf` knows tokens that the processor names without an id. */
export function readPostProcessor(
  part: Component | null | undefined,
  idOf: (token: string) => number | undefined,
): PostProcessor {
  if (!part) return (ids) => ids;
  switch (part.type) {
    case "Sequence": {
      const steps = list(part, "processors").map((step) => readPostProcessor(step, idOf));
      return (ids) => steps.reduce((current, step) => step(current), ids);
    }
    case "ByteLevel":
      return (ids) => ids;
    case "BertProcessing":
    case "RobertaProcessing": {
      const [cls, sep] = [part.cls, part.sep].map((token) => (token as [string, number])[1]) as [number, number];
      return (ids) => [cls, ...ids, sep];
    }
    case "TemplateProcessing":
      return template(part, idOf);
    default:
      return refuse("a post-processor of type", part.type);
  }
}

function template(part: Component, idOf: (token: string) => number | undefined): PostProcessor {
  const named = (part.special_tokens ?? {}) as Record<string, { ids?: number[] }>;
  const parts = list(part, "single").map((item): number[] | undefined => {
    if ("Sequence" in item) return undefined;
    const { id } = (item.SpecialToken ?? {}) as { id?: string };
    const found = id === undefined ? undefined : (named[id]?.ids ?? [idOf(id)].filter((each) => each !== undefined));
    if (!found?.length) throw new FailureError(`its template names ${JSON.stringify(id)}, which is no token`);
    return found;
  });
  return (ids) => parts.flatMap((special) => special ?? ids);
}
