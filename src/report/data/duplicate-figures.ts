import { foldText } from "./fold-text.js";
import type { ReportedInstance } from "./read-tasks.js";

/** Rows that repeat an earlier one. */
export interface DuplicateFigures {
  rows: number;
  /** Same instruction, input and output, character by character. */
  exact: number;
  /** The same once case, punctuation and white space are put aside; exact ones included. */
  folded: number;
  /** Same instruction and input with another output. */
  conflicting: number;
}

/** Counts repeated rows. */
export function duplicateFigures(instances: readonly ReportedInstance[]): DuplicateFigures {
  const exact = new Set<string>();
  const folded = new Set<string>();
  const outputs = new Map<string, string>();
  let conflicting = 0;
  for (const { instruction, input, output } of instances) {
    exact.add(JSON.stringify([instruction, input, output]));
    folded.add(JSON.stringify([instruction, input, output].map(foldText)));
    const question = JSON.stringify([instruction, input]);
    const known = outputs.get(question);
    if (known === undefined) outputs.set(question, output);
    else if (known !== output) conflicting++;
  }
  const rows = instances.length;
  return { rows, exact: rows - exact.size, folded: rows - folded.size, conflicting };
}
