import { UsageError } from "../errors.js";

/** Typed access to config.json with errors that name the field. */
export class ConfigFields {
  constructor(
    private readonly fields: Readonly<Record<string, unknown>>,
    private readonly source: string,
  ) {}

  has(name: string): boolean {
    return this.fields[name] !== undefined && this.fields[name] !== null;
  }

  number(name: string, fallback?: number): number {
    const value = this.has(name) ? this.fields[name] : fallback;
    if (typeof value !== "number" || !Number.isFinite(value))
      throw new UsageError(`${this.source}: config field "${name}" must be a number, found ${JSON.stringify(value)}`);
    return value;
  }

  /** A positive whole number, bounded so that a damaged file cannot ask for absurd sizes. */
  size(name: string, fallback?: number): number {
    const value = this.number(name, fallback);
    if (!Number.isInteger(value) || value < 1 || value > 1e9)
      throw new UsageError(
        `${this.source}: config field "${name}" must be a whole number from 1 to 1e9, found ${value}`,
      );
    return value;
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.has(name) ? this.fields[name] : fallback;
    if (typeof value !== "boolean")
      throw new UsageError(
        `${this.source}: config field "${name}" must be true or false, found ${JSON.stringify(value)}`,
      );
    return value;
  }

  raw(name: string): unknown {
    return this.fields[name];
  }

  fail(message: string): never {
    throw new UsageError(`${this.source}: ${message}`);
  }
}
