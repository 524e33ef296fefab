import { readFileSync } from "node:fs";
import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { UsageError } from "../errors.js";

/** A YAML file as plain data that still knows the line of every key. */
export interface YamlSource {
  /** Path as given, for messages. */
  path: string;
  /** The document as maps, lists, strings, numbers, booleans and null. */
  data: Record<string, unknown>;
  /** 1-based line of the deepest part of `path` that the file holds; undefined when not even the first key is there. */
  lineOf(path: readonly PropertyKey[]): number | undefined;
}

/** Recipes are written by hand; anything larger is the wrong file. */
const maximumBytes = 4 << 20;

/** Reads a YAML file whose document is a map. Anything else is a UsageError with file and line. */
export function readYaml(path: string): YamlSource {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") throw new UsageError(`${path}: no such file`);
    if (code === "EISDIR") throw new UsageError(`${path}: is a folder, a YAML file was expected`);
    throw new UsageError(`${path}: cannot be read (${(error as Error).message})`);
  }
  if (bytes.length > maximumBytes) throw new UsageError(`${path}: larger than 4 MiB, not a recipe`);
  return parseYaml(bytes.toString("utf8"), path);
}

/** As `readYaml`, from text; `path` is only used in messages. */
export function parseYaml(text: string, path: string): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: "error" });
  const problem = document.errors[0];
  if (problem) {
    const { line } = lines.linePos(problem.pos[0]);
    throw new UsageError(`${path}:${line}: not valid YAML: ${problem.message.split("\n")[0]}`);
  }
  if (!isMap(document.contents)) throw new UsageError(`${path}:1: expected "key: value" lines (a YAML map)`);
  let data: unknown;
  try {
    data = document.toJS({ maxAliasCount: 100 });
    JSON.stringify(data); // throws where an anchor holds its own alias
  } catch (error) {
    throw new UsageError(`${path}: not usable YAML: ${(error as Error).message.split("\n")[0]}`, { cause: error });
  }
  const lineOf = (keys: readonly PropertyKey[]): number | undefined => {
    let node: unknown = document.contents;
    let line: number | undefined;
    for (const key of keys) {
      let next: unknown;
      if (isMap(node)) {
        const pair = node.items.find(
          (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(key),
        );
        if (isNode(pair?.key) && pair.key.range) line = lines.linePos(pair.key.range[0]).line;
        next = pair?.value;
      } else if (isSeq(node)) {
        next = node.items[Number(key)];
        if (isNode(next) && next.range) line = lines.linePos(next.range[0]).line;
      }
      if (next === undefined) break;
      node = next;
    }
    return line;
  };
  return { path, data: data as Record<string, unknown>, lineOf };
}
