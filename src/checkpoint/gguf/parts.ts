/** A GGUF model in one file or in several parts, of which the first holds what is said of the model. */
import { existsSync } from "node:fs";
import { FailureError, UsageError } from "../../errors.js";
import { splitParts } from "../../files/split-file.js";
import { type GgufFile, parseGguf } from "./parse.js";

/** @throws as `parseGguf`, for every part; UsageError for a part that is not there. */
export function openGguf(path: string): GgufFile {
  const paths = splitParts(path) ?? [path];
  const missing = paths.find((part) => !existsSync(part));
  if (missing !== undefined && paths.length > 1)
    throw new UsageError(`${path}: is one of ${paths.length} parts, and ${missing} is missing`);
  const first = parseGguf(paths[0]!);
  const opened = [first];
  const close = (): void => {
    for (const part of opened) part.close();
  };
  try {
    checkSplit(first, 0, paths.length);
    const tensors = new Map(first.tensors);
    for (const [i, part] of paths.slice(1).entries()) {
      const next = parseGguf(part);
      opened.push(next);
      checkSplit(next, i + 1, paths.length);
      for (const [name, tensor] of next.tensors) {
        if (tensors.has(name)) throw new FailureError(`${part}: tensor ${name} is in another part as well`);
        tensors.set(name, tensor);
      }
    }
    const all = first.metadata.get("split.tensors.count");
    if (all !== undefined && all !== tensors.size)
      throw new FailureError(`${paths[0]}: its parts hold ${tensors.size} tensors, split.tensors.count says ${all}`);
    return { ...first, tensors, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** What a part says of itself must be what its name says. */
function checkSplit({ file, metadata }: GgufFile, index: number, count: number): void {
  const said = metadata.get("split.count") ?? 1;
  const number = metadata.get("split.no") ?? 0;
  if (said === count && number === index) return;
  // A whole file may be called as it likes.
  if (count === 1 && said === 0) return;
  throw new FailureError(
    `${file.path}: says that it is part ${Number(number) + 1} of ${said} (split.no, split.count), its name that it is ${index + 1} of ${count}; give the parts the names they were made with`,
  );
}
