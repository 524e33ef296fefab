/** Files that were cut into parts, named `NAME-00001-of-00003.gguf` as llama.cpp's gguf-split does. */
import { basename, dirname, join } from "node:path";

/** The paths of all parts of the file that `path` is a part of, in order; undefined for a whole file. */
export function splitParts(path: string): string[] | undefined {
  const [, stem, , total, end] = /^(.*)-(\d{5})-of-(\d{5})(\.gguf)$/i.exec(basename(path)) ?? [];
  const count = Number(total);
  if (stem === undefined || !(count >= 1)) return undefined;
  const name = (part: number): string => `${stem}-${String(part).padStart(5, "0")}-of-${total}${end}`;
  return Array.from({ length: count }, (_, i) => join(dirname(path), name(i + 1)));
}
