/** Finds ONNX Runtime's library: an installed `onnxruntime-node` of the same version, else what the package carries. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "../../errors.js";
import { evokeCache } from "../../files/evoke-cache.js";
import { PACKED_INDEX, platformFolder } from "./packed.js";
import { unpackLibrary } from "./unpack.js";

const require = createRequire(import.meta.url);
/** The package's folder, from `src/runtime/library` as from `dist/runtime/library`. */
const PACKAGE = fileURLToPath(new URL("../../..", import.meta.url));
const BINDING = "onnxruntime_binding.node";

/** Version of ONNX Runtime: that of `onnxruntime-common`, which is released with the library. */
export function runtimeVersion(): string {
  const own = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")) as {
    dependencies: { "onnxruntime-common": string };
  };
  return own.dependencies["onnxruntime-common"];
}

/**
 * Path of the binding for Node.js, with the library beside it.
 *
 * `onnxruntime-node` itself is no dependency: its installation fetches files for CUDA from another host than the registry,
 * and it holds every platform uncompressed. Who wants CUDA installs it beside evoke, and it is taken.
 * @throws UsageError for a platform without a library
 */
export function bindingPath(): string {
  const installed = installedBinding();
  if (installed !== undefined) return installed;
  const packed = join(PACKAGE, "onnxruntime", platformFolder());
  if (!existsSync(join(packed, PACKED_INDEX)))
    throw new UsageError(
      `evoke carries no ONNX Runtime for ${platformFolder()}; npm install onnxruntime-node@${runtimeVersion()} brings one where it exists`,
    );
  const places = [join(evokeCache(), "onnxruntime"), join(PACKAGE, "onnxruntime", "unpacked")];
  return join(unpackLibrary(packed, places), BINDING);
}

function installedBinding(): string | undefined {
  let manifest: string;
  try {
    manifest = require.resolve("onnxruntime-node/package.json");
  } catch {
    return undefined;
  }
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  const binding = join(dirname(manifest), "bin", "napi-v6", process.platform, process.arch, BINDING);
  return version === runtimeVersion() && existsSync(binding) ? binding : undefined;
}
