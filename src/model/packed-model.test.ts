import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../checkpoint/open.js";
import { Device } from "../runtime/device.js";
import { PackedModel } from "./packed-model.js";
import { packRow } from "./packed-row.js";
import { loadDecoderWeights } from "./weights.js";

const fixtures = fileURLToPath(new URL("./fixtures/", import.meta.url));

interface Golden {
  sequences: { ids: number[]; logits: number[][]; nextLogprobs: number[] }[];
}

const names = readdirSync(fixtures).filter((name) => existsSync(`${fixtures}${name}/golden.json`));

describe("forward pass against transformers (fp32)", async () => {
  const device = await Device.open({ threads: 1 });
  for (const name of names)
    it(name, async () => {
      const golden = JSON.parse(readFileSync(`${fixtures}${name}/golden.json`, "utf8")) as Golden;
      const checkpoint = openCheckpoint(`${fixtures}${name}`);
      const model = new PackedModel(loadDecoderWeights(checkpoint), device);
      checkpoint.close();
      // Both sequences in one row: attention and positions must not cross between them.
      const row = packRow(golden.sequences.map(({ ids }) => ids));
      const hidden = await model.hidden(row);
      let start = 0;
      for (const { ids, logits, nextLogprobs } of golden.sequences) {
        const last = [ids.length - 3, ids.length - 2, ids.length - 1].map((i) => start + i);
        const found = await model.logits(hidden, last);
        const expected = logits.flat();
        const difference = Math.max(...expected.map((x, i) => Math.abs(x - found[i]!)));
        expect(difference).toBeLessThan(1e-4);
        const positions = nextLogprobs.map((_, i) => start + i);
        const { logprobs } = await model.logProbabilities(hidden, positions, ids.slice(1));
        expect(Math.max(...nextLogprobs.map((x, i) => Math.abs(x - logprobs[i]!)))).toBeLessThan(1e-4);
        start += ids.length;
      }
      await model.dispose();
    });
});
