import { EvokeError, FailureError, UsageError } from "../errors.js";
import { readRegularFile } from "./regular-file.js";

/** Reads a JSON object from a file. @throws UsageError when it is missing, FailureError when it is not a JSON object. */
export function readJsonObject(path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(readRegularFile(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new UsageError(`${path}: no such file`);
    if (error instanceof EvokeError) throw error;
    throw new FailureError(`${path}: ${error instanceof SyntaxError ? "not valid JSON" : (error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FailureError(`${path}: a JSON object was expected`);
  }
  return value as Record<string, unknown>;
}
