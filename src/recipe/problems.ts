import type { z } from "zod";
import { unknownKeyMessage } from "./unknown-key.js";

/** One thing wrong with a configuration: where (key path) and what, as a phrase. */
export interface Problem {
  path: PropertyKey[];
  message: string;
}

type Issue = z.core.$ZodIssue;

const nouns: Record<string, string> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: 'a block of "key: value" lines',
  record: 'a block of "key: value" lines',
  array: "a list",
  tuple: "a list",
};

/** A value as the user wrote it, cut to a readable length. */
function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function bound(issue: Issue & { code: "too_small" | "too_big" }): string {
  const small = issue.code === "too_small";
  const limit = small ? issue.minimum : issue.maximum;
  if (issue.origin === "string")
    return limit === 1 ? "text that is not empty" : `${small ? "at least" : "at most"} ${limit} characters`;
  if (issue.origin === "array" || issue.origin === "tuple")
    return `a list of ${small ? "at least" : "at most"} ${limit} entries`;
  const word = small ? (issue.inclusive ? "at least" : "above") : issue.inclusive ? "at most" : "below";
  return `a number ${word} ${limit}`;
}

/** What the schema wanted at one place. */
function expectation(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return nouns[issue.expected] ?? issue.expected;
    case "invalid_value":
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.join(", ")}`;
    case "too_small":
    case "too_big":
      return bound(issue);
    case "invalid_union": {
      const wanted = issue.errors
        .map((branch) => (branch[0] ? expectation(branch[0]) : ""))
        .filter((text) => text !== "");
      const choices = [...new Set(wanted)];
      // A union of literals reads better as one list.
      return choices.every((choice) => /^[\d.]+$/.test(choice)) ? `one of ${choices.join(", ")}` : choices.join(" or ");
    }
    default:
      return issue.message;
  }
}

/**
 * Turns what zod found into readable problems; `schema` is the JSON Schema, for the names of valid keys.
 * @param valueAt gives the value at a key path.
 */
export function describeIssues(
  issues: readonly Issue[],
  schema: object,
  valueAt: (path: PropertyKey[]) => unknown,
): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const parts = issue.path.map(String);
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({ path: [...issue.path, key], message: unknownKeyMessage(key, parts, schema) }));
    }
    const name = parts.join(".");
    const value = valueAt(issue.path);
    if (issue.code === "custom")
      return [{ path: issue.path, message: name ? `${name}: ${issue.message}` : issue.message }];
    if (value === undefined)
      return [{ path: issue.path, message: `missing key "${name}" (expected ${expectation(issue)})` }];
    return [{ path: issue.path, message: `${name}: expected ${expectation(issue)}, got ${shown(value)}` }];
  });
}
