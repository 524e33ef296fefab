/** The real model, from its GGUF file, against transformers (tools/golden/smollm2.py). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/open.js";
import { PackedModel } from "../../src/model/packed-model.js";
import { packRow } from "../../src/model/packed-row.js";
import { loadDecoderWeights } from "../../src/model/weights.js";
import { Device } from "../../src/runtime/device.js";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.js";

const path = process.env.EVOKE_TEST_SMOLLM2;
const golden = JSON.parse(readFileSync(new URL("../../src/model/fixtures/smollm2.json", import.meta.url), "utf8")) as {
  prompts: {
    text: string;
    ids: number[];
    topIds: number[];
    topLogits: number[];
    stridedIds: number[];
    stridedLogits: number[];
  }[];
};

describe.skipIf(!path)("SmolLM2-135M from GGUF (set EVOKE_TEST_SMOLLM2 to the file)", () => {
  it("has transformers' tokens and logits within 1e-3", async () => {
    const checkpoint = openCheckpoint(path!);
    const model = new PackedModel(loadDecoderWeights(checkpoint), await Device.open());
    const tokenizer = await loadTokenizer(path!);
    const hidden = await model.hidden(packRow(golden.prompts.map(({ ids }) => ids)));
    let end = 0;
    for (const prompt of golden.prompts) {
      expect(tokenizer.encode(prompt.text)).toEqual(prompt.ids);
      end += prompt.ids.length;
      const logits = await model.logits(hidden, [end - 1]);
      const compared = [
        ...prompt.topIds.map((id, i) => [id, prompt.topLogits[i]!]),
        ...prompt.stridedIds.map((id, i) => [id, prompt.stridedLogits[i]!]),
      ];
      expect(Math.max(...compared.map(([id, value]) => Math.abs(logits[id!]! - value!)))).toBeLessThan(1e-3);
    }
    checkpoint.close();
  }, 300_000);
});
