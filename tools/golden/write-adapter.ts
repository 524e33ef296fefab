/**
 * Writes an adapter as evoke writes it, and the logits evoke computes with it, for peft_adapter_check.py:
 *   npx tsx tools/golden/write-adapter.ts MODEL OUT [nf4]
 *   python tools/golden/peft_adapter_check.py MODEL OUT/adapter OUT/logits.json [--nf4]
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openCheckpoint } from "../../src/checkpoint/open.js";
import { PackedModel } from "../../src/model/packed-model.js";
import { packRow } from "../../src/model/packed-row.js";
import { loadDecoderWeights } from "../../src/model/weights.js";
import { saveAdapter } from "../../src/peft/adapter-io.js";
import { adapterShape } from "../../src/peft/targets.js";
import { Random } from "../../src/random/counter.js";
import { Device } from "../../src/runtime/device.js";
import { newAdapter } from "../../src/train/parameter-store.js";

const [modelPath, out, precision] = process.argv.slice(2) as [string, string, string?];
const checkpoint = openCheckpoint(modelPath);
const weights = loadDecoderWeights(checkpoint, { precision: precision === "nf4" ? "nf4" : "float32" });
const shape = adapterShape(weights.config, { r: 8, alpha: 16, dropout: 0.1, target_modules: "all-linear" });
const adapter = newAdapter(weights, shape, 0);
const random = new Random("write-adapter");
for (const layer of adapter.layers)
  for (const { b } of layer.values()) for (let i = 0; i < b.length; i++) b[i] = 0.05 * random.normal();
await saveAdapter(join(out, "adapter"), adapter, { base: { name: modelPath } });
const ids = Array.from({ length: 24 }, () => random.below(weights.config.vocabSize));
const model = new PackedModel(weights, await Device.open());
const positions = [21, 22, 23];
const logits = await model.logits(await model.hidden(packRow([ids]), { adapter }), positions);
const { vocabSize } = weights.config;
const rows = positions.map((_, i) => [...logits.subarray(i * vocabSize, (i + 1) * vocabSize)]);
writeFileSync(join(out, "logits.json"), JSON.stringify({ sequences: [{ ids, logits: rows }] }));
