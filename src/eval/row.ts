import { UsageError } from "../errors.js";
import type { JsonRow } from "../files/jsonl.js";

/** A data row whose fields are read with their types checked; every error names file, line and field. */
export class Row {
  constructor(
    readonly fields: JsonRow,
    /** File and line, for messages. */
    readonly where: string,
  ) {}

  text(field: string): string {
    const value = this.fields[field];
    if (typeof value !== "string") throw this.problem(field, "is not a text");
    return value;
  }

  optionalText(field: string): string | undefined {
    const value = this.fields[field];
    if (value === undefined || value === null) return undefined;
    return this.text(field);
  }

  texts(field: string): string[] {
    const value = this.fields[field];
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string"))
      throw this.problem(field, "is not a list of texts");
    return value as string[];
  }

  /** A whole number, or a text of digits (some data sets write labels so). */
  integer(field: string): number {
    const value = this.fields[field];
    const number = typeof value === "string" && /^\s*-?\d+\s*$/.test(value) ? Number(value) : value;
    if (typeof number !== "number" || !Number.isSafeInteger(number)) throw this.problem(field, "is not a whole number");
    return number;
  }

  row(field: string): Row {
    const value = this.fields[field];
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.problem(field, "is no object");
    return new Row(value as JsonRow, `${this.where}: ${field}`);
  }

  has(field: string): boolean {
    return this.fields[field] !== undefined && this.fields[field] !== null;
  }

  problem(field: string, what: string): UsageError {
    const there = Object.keys(this.fields).slice(0, 12).join(", ");
    return new UsageError(`${this.where}: field "${field}" ${what} (fields there: ${there || "none"})`);
  }
}
