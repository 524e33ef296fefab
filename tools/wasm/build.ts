/**
 * Assembles src/quant/simd/nf4.wat -> src/quant/simd/nf4-wasm.ts, the module's bytes in base64:
 *
 *   npx tsx tools/wasm/build.ts
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assemble } from "./assemble.js";

const folder = join(import.meta.dirname, "../../src/quant/simd");
const bytes = await assemble(readFileSync(join(folder, "nf4.wat"), "utf8"));
writeFileSync(
  join(folder, "nf4-wasm.ts"),
  `/** nf4.wat, assembled by tools/wasm/build.ts. */
export const NF4_WASM =
  "${Buffer.from(bytes).toString("base64")}";
`,
);
