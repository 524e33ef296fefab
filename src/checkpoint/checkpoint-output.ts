import { FailureError } from "../errors.js";

/** The array to decode `values` numbers into: `out` when given, which must have exactly that length. */
export function outputOf(name: string, values: number, out?: Float32Array): Float32Array {
  if (!out) return new Float32Array(values);
  if (out.length !== values)
    throw new FailureError(`weight ${name} has ${values} values, room was given for ${out.length}`);
  return out;
}

/** Checks a row number of a weight. */
export function checkRow(source: string, name: string, row: number, rows: number): number {
  if (!(row >= 0 && row < rows))
    throw new FailureError(`${source}: row ${row} of ${name} was asked for, it has ${rows}`);
  return row;
}
