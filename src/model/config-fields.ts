import { UsageError } from "../errors.js";

/** A value from a file for a message: short, and in one line. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  const plain = text.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return plain.length > 60 ? `${plain.slice(0, 57)}...` : plain;
}

/** Typed access to config.json with errors that name the field. It remembers what was asked for. */
export class ConfigFields {
  private readonly asked: Set<string>;

  constructor(
    private readonly fields: Readonly<Record<string, unknown>>,
    private readonly source: string,
    private readonly names: Readonly<Record<string, string>> = {},
    asked = new Set<string>(),
  ) {
    this.asked = asked;
  }

  /** The same file for one that asks for other names than it has: what is asked for → what it is called. */
  renamed(names: Readonly<Record<string, string>>): ConfigFields {
    return new ConfigFields(this.fields, this.source, names, this.asked);
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined && this.raw(name) !== null;
  }

  number(name: string, fallback?: number): number {
    const value = this.has(name) ? this.raw(name) : fallback;
    if (typeof value !== "number" || !Number.isFinite(value))
      throw new UsageError(
        `${this.source}: config field "${this.names[name] ?? name}" must be a number, found ${shown(value)}`,
      );
    return value;
  }

  /** A positive whole number, bounded so that a damaged file cannot ask for absurd sizes. */
  size(name: string, fallback?: number, most = 1e9): number {
    const value = this.number(name, fallback);
    if (!Number.isInteger(value) || value < 1 || value > most)
      throw new UsageError(
        `${this.source}: config field "${this.names[name] ?? name}" must be a whole number from 1 to ${most}, found ${value}`,
      );
    return value;
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.has(name) ? this.raw(name) : fallback;
    if (typeof value !== "boolean")
      throw new UsageError(
        `${this.source}: config field "${this.names[name] ?? name}" must be true or false, found ${shown(value)}`,
      );
    return value;
  }

  raw(name: string): unknown {
    const own = this.names[name] ?? name;
    this.asked.add(own);
    return this.fields[own];
  }

  /** Fields that have a value and that nobody asked for. */
  unread(): [name: string, value: unknown][] {
    return Object.entries(this.fields).filter(
      ([name, value]) => value !== null && value !== undefined && !this.asked.has(name),
    );
  }

  fail(message: string): never {
    throw new UsageError(`${this.source}: ${message}`);
  }
}
