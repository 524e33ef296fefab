/**
 * Assembles the SIMD loops, each NAME.wat -> NAME-wasm.ts beside it, the module's bytes in base64:
 *
 *   npx tsx tools/wasm/build.ts
 */
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { dispatcherText } from "../../src/generate/solo/operations.js";
import { assemble } from "./assemble.js";

writeFileSync(join(import.meta.dirname, "../../src/generate/solo/run.wat"), dispatcherText());

for (const path of ["quant/simd/nf4", "random/simd/mask", "generate/solo/solo"]) {
  const file = join(import.meta.dirname, "../../src", path);
  const bytes = await assemble(`${file}.wat`);
  writeFileSync(
    `${file}-wasm.ts`,
    `/** ${basename(file)}.wat, assembled by tools/wasm/build.ts. */
export const ${basename(file).toUpperCase()}_WASM =
  "${Buffer.from(bytes).toString("base64")}";
`,
  );
}
