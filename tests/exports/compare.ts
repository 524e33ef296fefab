/** Another program's greedy answers beside this engine. */
import { Decoder } from "../../src/generate/decoder.js";
import { KvCache } from "../../src/generate/kv-cache.js";
import type { Adapter } from "../../src/model/adapter.js";
import type { DecoderWeights } from "../../src/model/weights.js";
import { adapterShape } from "../../src/peft/targets.js";
import { Random } from "../../src/random/counter.js";
import { Device } from "../../src/runtime/device.js";
import { newAdapter } from "../../src/train/parameter-store.js";

export interface Answers {
  answers: { prompt: number[]; ids: number[] }[];
  template?: string;
}

/** Steps along another program's answer: where the most likely token is another one, how much more likely it is, in logits. */
export async function differences(
  weights: DecoderWeights,
  answers: { prompt: number[]; ids: number[] }[],
  adapter?: Adapter,
) {
  const device = await Device.open();
  const decoder = new Decoder(weights, device, "float32");
  const gaps: number[] = [];
  for (const { prompt, ids } of answers) {
    const cache = new KvCache(weights.config);
    cache.reserve(1, prompt.length + ids.length);
    cache.add(0);
    let logits = new Float32Array() as Float32Array;
    for (const id of prompt) logits = (await decoder.step(cache, [id], adapter)).slice();
    for (const id of ids) {
      const best = logits.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
      gaps.push(best - logits[id]!);
      logits = (await decoder.step(cache, [id], adapter)).slice();
    }
  }
  await decoder.dispose();
  return gaps;
}

/** An adapter whose second factors are drawn at this scale. */
export function someAdapter(
  weights: DecoderWeights,
  target_modules: readonly string[] = ["q_proj", "v_proj", "down_proj"],
  scale = 0.02,
): Adapter {
  const settings = { r: 4, alpha: 8, dropout: 0, target_modules, use_rslora: true };
  const adapter = newAdapter(weights, adapterShape(weights.config, settings), 3);
  const random = new Random("exports");
  for (const layer of adapter.layers)
    for (const { b } of layer.values()) for (let i = 0; i < b.length; i++) b[i] = scale * random.normal();
  return adapter;
}
