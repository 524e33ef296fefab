/** What a run is made of: the hash that tells two runs apart, and the versions that made it. */
import { createRequire } from "node:module";
import type { TrainingExample } from "../data/encode.js";
import { sha256 } from "../files/sha256.js";
import type { TrainingRecipe } from "../recipe/schema.js";

/** Hash of what must be the same for a checkpoint to continue a run. */
export function runIdentity(
  recipe: TrainingRecipe,
  train: readonly TrainingExample[],
  validation: readonly TrainingExample[],
): string {
  const { out: _out, cluster: _cluster, checkpoint: _checkpoint, memory: _memory, device: _device, ...rest } = recipe;
  const files = { ...rest.data, path: rest.data.path.length };
  const digest = (examples: readonly TrainingExample[]): string =>
    sha256(examples.map(({ tokens, mask }) => `${tokens.join()};${mask.join("")}`).join("\n"));
  return sha256(
    JSON.stringify([{ ...rest, data: files, adapter: rest.adapter !== undefined }, digest(train), digest(validation)]),
  );
}

/** Versions of evoke and what it runs on. */
export function versions(): Record<string, string> {
  const require = createRequire(import.meta.url);
  const own = require("../../package.json") as { version: string };
  const ort = require("onnxruntime-node/package.json") as { version: string };
  return { evoke: own.version, "onnxruntime-node": ort.version, node: process.versions.node };
}
