import { UsageError } from "../errors.js";
import { suggestName } from "../recipe/experiment-sweep.js";

interface Linked {
  id: string;
  needs: readonly string[];
}

/**
 * The steps that some patterns name, with what they need (or, for "dependents", with what needs them). A pattern is an id, the
 * beginning of one up to a dot (`train`, `eval.rt`), or either with `*` for any text. Without patterns: all.
 *
 * @throws UsageError when a pattern names no step.
 */
export function selectSteps<S extends Linked>(
  steps: readonly S[],
  patterns: readonly string[],
  along: "needs" | "dependents" = "needs",
): S[] {
  if (patterns.length === 0) return [...steps];
  const chosen = new Set<string>();
  for (const pattern of patterns) {
    const text = pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replace(/\*/g, ".*");
    const matches = new RegExp(`^${text}(?:[.@].*)?$`);
    const named = steps.filter(({ id }) => matches.test(id));
    if (named.length === 0) {
      const ids = steps.map(({ id }) => id);
      throw new UsageError(`${pattern}: names no step of the plan; ${suggestName(pattern, ids)}`);
    }
    for (const { id } of named) chosen.add(id);
  }
  for (let size = -1; size !== chosen.size; ) {
    size = chosen.size;
    for (const step of steps) {
      if (along === "needs" && chosen.has(step.id)) for (const id of step.needs) chosen.add(id);
      if (along === "dependents" && step.needs.some((id) => chosen.has(id))) chosen.add(step.id);
    }
  }
  return steps.filter(({ id }) => chosen.has(id));
}
