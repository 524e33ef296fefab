/** The files that the playground is made of: its pages, ONNX Runtime for browsers, and the bundled model. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FailureError, UsageError } from "../../errors.js";
import { runtimeVersion } from "../../runtime/onnxruntime.js";

const require = createRequire(import.meta.url);
const packageFile = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

const PAGES = ["index.html", "playground.js", "playground.css", "engine.js", "icon.svg", "rows.jsonl"];
const MODEL = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];
/** One build without and one with WebGPU; a page loads one of them. */
const RUNTIME = ["ort.wasm.min.mjs", "ort.webgpu.min.mjs", "simd-threaded", "simd-threaded.asyncify"].flatMap((name) =>
  name.startsWith("ort.") ? [name] : [`ort-wasm-${name}.mjs`, `ort-wasm-${name}.wasm`],
);

/**
 * Every file, by its path below the page's.
 * @throws FailureError where the pages are not built, UsageError where ONNX Runtime for browsers is not installed.
 */
export function playgroundFiles(): Map<string, string> {
  const pages = packageFile("dist/playground");
  if (!existsSync(join(pages, "index.html")))
    throw new FailureError(`${pages}: the playground's pages are not built; run npm run build`);
  const runtime = browserRuntime();
  return new Map([
    ...PAGES.map((name): [string, string] => [name, join(pages, name)]),
    ...MODEL.map((name): [string, string] => [`model/${name}`, packageFile(`models/mini/${name}`)]),
    ...RUNTIME.map((name): [string, string] => [`ort/${name}`, join(runtime, name)]),
  ]);
}

/** Not a dependency: most users never open the playground, and it takes 140 MB. */
function browserRuntime(): string {
  const wanted = `onnxruntime-web@${runtimeVersion()}`;
  let found: string;
  try {
    found = dirname(require.resolve("onnxruntime-web/wasm"));
  } catch {
    throw new UsageError(`the playground needs ONNX Runtime for browsers; npm install ${wanted}`);
  }
  const missing = RUNTIME.find((name) => !existsSync(join(found, name)));
  if (missing) throw new UsageError(`${found}: ${missing} is missing; npm install ${wanted}`);
  return found;
}
