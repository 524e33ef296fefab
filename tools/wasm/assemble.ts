import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import wabt from "wabt";

/**
 * The binary form of a WebAssembly module in text form. Besides what WebAssembly knows the text may have lines
 * `(include "FILE")`, which stand for that file's, beside it.
 * @throws on a mistake in the text.
 */
export async function assemble(file: string): Promise<Uint8Array> {
  const text = readFileSync(file, "utf8").replace(/^ *\(include "(.*)"\)$/gm, (_, name: string) =>
    readFileSync(join(dirname(file), name), "utf8"),
  );
  const features = { simd: true, threads: true, bulk_memory: true };
  const module = (await wabt()).parseWat(file, text, features);
  try {
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}
