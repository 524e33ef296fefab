import { UsageError } from "../errors.js";
import { nearest } from "./nearest.js";
import type { Layer } from "./overrides.js";

/** Blocks whose entries a sweep may multiply. */
const SWEPT = ["data", "arms", "evaluations"] as const;
const PLACE = /\{([A-Za-z0-9_+-]+)\}/g;

export interface ExpandedLayer {
  layer: Layer;
  /** The sweep's values that made an arm: `{n: 100}` for `it+100`, of `it+{n}`. */
  sweptArms: Record<string, Record<string, unknown>>;
  /** Where the file names an expanded entry: `arms.it-lima` came of `arms.it-{set}`. */
  originOf: (path: readonly PropertyKey[]) => PropertyKey[];
}

/**
 * Makes each entry of data, arms and evaluations whose key holds `{name}` once for every value of the sweep's `name`. In
 * the entry's fields `{name}` becomes the value; a field that is `{name}` alone becomes the value itself, a number
 * say. Lists of arms in an entry without places in its key take every value: `arms: ["it+{n}"]`.
 *
 * @param fail ends with a message about the entry at a path.
 * @throws UsageError through `fail` for a place that no sweep fills.
 */
export function expandSweep(
  layer: Layer,
  fail: (path: readonly PropertyKey[], message: string) => never,
): ExpandedLayer {
  const sweep = sweepOf(layer.sweep);
  const origins = new Map<string, string>();
  const sweptArms: ExpandedLayer["sweptArms"] = {};
  const result: Layer = { ...layer };
  /** Names as fields write them, with the values as they are: `it-0.0001` for the entry `it-1e-4`. */
  const names = new Map<string, string>();
  for (const block of SWEPT) {
    const entries = layer[block];
    if (!isMap(entries)) continue;
    const expanded: Layer = {};
    for (const [key, entry] of Object.entries(entries)) {
      const places = placesIn(key);
      const unknown = places.find((place) => !Object.hasOwn(sweep, place));
      if (unknown !== undefined) fail([block, key], `${block}.${key}: ${unknownPlace(unknown, sweep)}`);
      for (const values of combinations(places, sweep)) {
        const written = String(fill(key, values));
        const name = places.length > 0 ? nameOf(key, values) : key;
        names.set(written, name);
        if (Object.hasOwn(expanded, name)) fail([block, key], `${block}.${name}: there are two entries of this name`);
        origins.set(`${block}.${name}`, key);
        if (block === "arms" && places.length > 0) sweptArms[name] = values;
        expanded[name] = spread(fillDeep(entry, values), sweep);
      }
    }
    result[block] = expanded;
  }
  for (const block of SWEPT) if (result[block] !== undefined) result[block] = renamed(result[block], names);
  if (Array.isArray(layer.published)) result.published = layer.published;
  return {
    layer: result,
    sweptArms,
    originOf: ([block, key, ...rest]) => {
      const origin = origins.get(`${String(block)}.${String(key)}`);
      return [block, ...(key === undefined ? [] : [origin ?? key]), ...rest].filter((part) => part !== undefined);
    },
  };
}

type Sweep = Record<string, readonly unknown[]>;

/** The sweep's well-formed part; the schema tells what is wrong with the rest. */
function sweepOf(value: unknown): Sweep {
  if (!isMap(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1])),
  );
}

const placesIn = (text: string): string[] => [...new Set([...text.matchAll(PLACE)].map((match) => match[1]!))];

function unknownPlace(place: string, sweep: Sweep): string {
  const names = Object.keys(sweep);
  const near = nearest(
    place,
    names.map((each) => [each, each]),
  );
  if (near !== undefined) return `no sweep fills {${place}}; did you mean {${near}}?`;
  return `no sweep fills {${place}}; ${names.length ? `there are ${names.join(", ")}` : "the file has no sweep"}`;
}

function combinations(places: readonly string[], sweep: Sweep): Record<string, unknown>[] {
  let all: Record<string, unknown>[] = [{}];
  for (const place of places)
    all = all.flatMap((values) => sweep[place]!.map((value) => ({ ...values, [place]: value })));
  return all;
}

/** Name of an entry that a sweep makes: values as names may hold them, such as `1e-4` for 0.0001 and `0_5` for 0.5. */
function nameOf(key: string, values: Readonly<Record<string, unknown>>): string {
  const word = (value: unknown): string => {
    const plain = String(value);
    const short = typeof value === "number" && value !== 0 ? value.toExponential() : plain;
    const text = short.length < plain.length ? short : plain;
    return text
      .replace("e+", "e")
      .replaceAll(".", "_")
      .replace(/[^A-Za-z0-9_+-]+/g, "-")
      .replace(/^-+(?=.)/, "m");
  };
  return key.replace(PLACE, (_, name: string) => word(values[name]));
}

/** Mentions of entries by their names. */
function renamed(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (typeof value === "string") return names.get(value) ?? value;
  if (Array.isArray(value)) return value.map((item) => renamed(item, names));
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, renamed(item, names)]));
}

function fill(text: string, values: Readonly<Record<string, unknown>>): unknown {
  const whole = /^\{([A-Za-z0-9_+-]+)\}$/.exec(text)?.[1];
  if (whole !== undefined && Object.hasOwn(values, whole)) return values[whole];
  return text.replace(PLACE, (place, name: string) => (Object.hasOwn(values, name) ? String(values[name]) : place));
}

function fillDeep(value: unknown, values: Readonly<Record<string, unknown>>): unknown {
  if (typeof value === "string") return fill(value, values);
  if (Array.isArray(value)) return value.map((item) => fillDeep(item, values));
  if (isMap(value))
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillDeep(item, values)]));
  return value;
}

/** In lists of names what is still open takes every value. */
function spread(entry: unknown, sweep: Sweep): unknown {
  if (!isMap(entry)) return entry;
  const open = (list: unknown): unknown =>
    Array.isArray(list)
      ? list.flatMap((item) => {
          if (typeof item !== "string") return [item];
          const places = placesIn(item).filter((place) => Object.hasOwn(sweep, place));
          return combinations(places, sweep).map((values) => fill(item, values));
        })
      : list;
  return { ...entry, ...("arms" in entry ? { arms: open(entry.arms) } : {}) };
}

function isMap(value: unknown): value is Layer {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** For messages about names: the nearest of those there are, or all of them. */
export function suggestName(name: string, names: readonly string[]): string {
  const near = nearest(
    name,
    names.map((each) => [each, each]),
  );
  if (near !== undefined) return `did you mean "${near}"?`;
  return names.length > 0 ? `there are ${names.join(", ")}` : "there are none";
}

/** @throws UsageError always. */
export function failAt(where: string, message: string): never {
  throw new UsageError(`${where}${message}`);
}
