/** What an adapter says its base is, in a form that PEFT can load. */
import { resolve } from "node:path";
import type { PeftBase } from "./adapter-io.js";

/**
 * `ORG/NAME` and revision for a model on the Hub, else the folder that the reference was resolved to.
 * @param reference as given, of several the first was not always the one taken.
 * @param path folder or file that it stands for now.
 */
export function peftBase(reference: string, path: string): PeftBase {
  // The Hub's cache names what a path was downloaded from.
  const [, organisation, name, commit] = /models--([^/\\]+?)--([^/\\]+)[/\\]snapshots[/\\]([0-9a-f]+)/.exec(path) ?? [];
  if (organisation === undefined) return { name: resolve(path) };
  const asked = reference.split(",").map((source) => /^hf:([^@:]+)(?:@([^:]+))?/.exec(source.trim()));
  const revision = asked.find((match) => match?.[1] === `${organisation}/${name}`)?.[2] ?? commit;
  return { name: `${organisation}/${name}`, ...(revision ? { revision } : {}) };
}
