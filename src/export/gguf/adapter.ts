/** An adapter as a GGUF file that llama.cpp lays over a base (`general.type = adapter`). */
import { rowOrder, storeRows } from "../../checkpoint/gguf/row-order.js";
import { ggufName } from "../../checkpoint/gguf/tensor-names.js";
import { type GgufField, type GgufTensorToWrite, writeGguf } from "../../checkpoint/gguf/write.js";
import { UsageError } from "../../errors.js";
import type { Adapter } from "../../model/adapter.js";
import type { DecoderConfig } from "../../model/decoder-config.js";
import { linearShape } from "../../model/decoder-layer.js";
import { ggufArchitectureOf } from "./config.js";

/**
 * @param fields config.json of the base. @param encoding how the factors are stored.
 * @throws UsageError for DoRA, which llama.cpp does not know, and for families that are not written.
 */
export function writeGgufAdapter(
  adapter: Adapter,
  fields: Record<string, unknown>,
  config: DecoderConfig,
  path: string,
  encoding: "f32" | "f16",
  source: string,
): void {
  if (adapter.shape.dora)
    throw new UsageError(`${source}: llama.cpp has no DoRA (use_dora); merge the adapter and export the model`);
  const architecture = ggufArchitectureOf(fields, source);
  const alpha = adapter.shape.settings.lora_alpha;
  const metadata = new Map<string, GgufField>([
    ["general.architecture", { string: architecture }],
    ["general.type", { string: "adapter" }],
    ["adapter.type", { string: "lora" }],
    ["adapter.lora.alpha", { f32: alpha }],
  ]);
  const tensors: GgufTensorToWrite[] = [];
  for (const [layer, factors] of adapter.layers.entries())
    for (const [linear, { a, b }] of factors) {
      const name = ggufName(`${config.names.blocks}.${layer}.${linear}.weight`, architecture)!;
      const { rank, scaling } = adapter.shape.layers[layer]!.get(linear)!;
      const [out, width] = linearShape(config, linear);
      tensors.push({ name: `${name}.lora_a`, shape: [rank, width], encoding, data: () => a });
      const data = (): Float32Array => {
        // llama.cpp scales by alpha / rank; what differs goes into B.
        const scaled = b.map((value) => (value * scaling * rank) / alpha);
        const order = rowOrder(name, architecture, config, out);
        if (order) storeRows(scaled, out, order);
        return scaled;
      };
      tensors.push({ name: `${name}.lora_b`, shape: [out, rank], encoding, data });
    }
  writeGguf(path, metadata, tensors);
}
