/** Files of JSON with something wrong: values of another kind, absurd sizes, entries that are missing, twice or elsewhere, damaged text. */
import type { Random } from "../../src/random/counter.js";

type Node = Record<string, unknown> | unknown[];

const JUNK: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    -1,
    1,
    0.5,
    1e308,
    -1e308,
    2 ** 31,
    2 ** 53,
    "",
    "x",
    " ",
    "\u0000",
    "\ud800",
    "a\nb",
    "../x",
    "(a+)+$",
    "[",
  ],
  ...[
    "{% for x in y %}",
    "x".repeat(3000),
    [],
    {},
    [[]],
    [null],
    [-1],
    ["x", 1],
    { a: 1 },
    { "": null },
    { __proto__: 1 },
  ],
];

function nodesOf(value: unknown, found: Node[] = []): Node[] {
  if (typeof value !== "object" || value === null) return found;
  found.push(value as Node);
  for (const inner of Object.values(value)) nodesOf(inner, found);
  return found;
}

function edit(node: Node, random: Random, junk: unknown): void {
  const keys = Object.keys(node);
  const key = keys[random.below(Math.max(1, keys.length))];
  const target = node as Record<string, unknown>;
  const other = keys[random.below(Math.max(1, keys.length))];
  switch (key === undefined || other === undefined ? 0 : random.below(5)) {
    case 0:
      if (Array.isArray(node)) node.push(structuredClone(junk));
      else target[String(random.below(9))] = structuredClone(junk);
      return;
    case 1:
      if (Array.isArray(node)) node.splice(Number(key), 1);
      else delete target[key!];
      return;
    case 2:
      target[key!] = structuredClone(target[other!]);
      return;
    case 3:
      if (Array.isArray(node)) node.reverse();
      else target[`${key}x`] = structuredClone(target[key!]);
      return;
    default:
      target[key!] = structuredClone(junk);
  }
}

/** The text with one to three mistakes. */
export function mutateJson(text: string, random: Random): string {
  if (random.below(5) === 0) {
    const at = random.below(text.length);
    const much = 1 + random.below(12);
    return random.below(2)
      ? text.slice(0, at) + text.slice(at + much)
      : text.slice(0, at) + String.fromCharCode(random.below(0x250)) + text.slice(at);
  }
  const value = JSON.parse(text) as unknown;
  for (let edits = 1 + random.below(3); edits > 0; edits--) {
    const nodes = nodesOf(value);
    edit(nodes[random.below(nodes.length)]!, random, JUNK[random.below(JUNK.length)]);
  }
  return JSON.stringify(value);
}
