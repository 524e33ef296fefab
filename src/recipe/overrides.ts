import { parse } from "yaml";
import { UsageError } from "../errors.js";

/** Plain, partial configuration: maps of maps and values. */
export type Layer = Record<string, unknown>;

/** One `--set a.b=v`: its key path, its value typed as YAML would, and the text for messages. */
export interface Override {
  path: string[];
  value: unknown;
  text: string;
}

const isMap = (value: unknown): value is Layer => typeof value === "object" && value !== null && !Array.isArray(value);

/** Sets an own property, also for names that the prototype answers to, such as `__proto__`. */
function put(target: Layer, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

/** `over` laid on `under`: maps are merged key by key, everything else (lists too) is replaced. Neither is changed. */
export function mergeLayers(under: Layer, over: Layer): Layer {
  const result: Layer = {};
  for (const [key, value] of Object.entries(under)) put(result, key, value);
  for (const [key, value] of Object.entries(over)) {
    const old = Object.hasOwn(result, key) ? result[key] : undefined;
    put(result, key, isMap(old) && isMap(value) ? mergeLayers(old, value) : value);
  }
  return result;
}

/** Reads `a.b=v`; the value is YAML: `1e-4` is a number, `true` a boolean, `[a, b]` a list, nothing is null. */
export function parseOverride(text: string): Override {
  const equals = text.indexOf("=");
  const path = text.slice(0, Math.max(0, equals)).trim().split(".");
  if (equals < 0 || path.some((part) => part === "")) {
    throw new UsageError(`--set ${text}: expected KEY=VALUE, such as optimizer.lr=2e-4`);
  }
  try {
    return { path, value: parse(text.slice(equals + 1), { logLevel: "error" }) as unknown, text };
  } catch (error) {
    throw new UsageError(`--set ${text}: the value is not valid YAML: ${(error as Error).message.split("\n")[0]}`);
  }
}

/** An override as a layer of its own. */
export function overrideLayer(override: Override): Layer {
  let value = override.value;
  for (const key of [...override.path].reverse()) {
    const block: Layer = {};
    put(block, key, value);
    value = block;
  }
  return value as Layer;
}

/** The value at a key path of nested maps and lists; undefined where there is none. */
export function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}
