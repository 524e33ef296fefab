/** While answers are written, timers and aborts get their turn between tokens, whatever takes the steps. */
import { describe, expect, it } from "vitest";
import { fixtureModel, golden, letterTokenizer } from "../../tests/support/fixture-model.js";
import { countTurns } from "../../tests/support/turns.js";
import { Device } from "../runtime/device.js";
import { Generator, type GeneratorOptions } from "./generator.js";

const device = await Device.open({ threads: 1 });
const model = fixtureModel("llama", letterTokenizer({ eosIds: [] }));
const tokens = golden("llama")[0]!.ids.slice(0, 8);

const decoders: [string, GeneratorOptions][] = [
  ["steps of a single answer", { maxBatch: 1 }],
  ["steps of a batch", { maxBatch: 4 }],
  ["steps with draft tokens", { weights: "float32", draftTokens: 4 }],
];

describe.each(decoders)("%s", (_, options) => {
  it("let timers fire, and end within two tokens of an abort", async () => {
    const generator = await Generator.of(model, device, options);
    const stopped = new AbortController();
    let ticks = 0;
    let written = 0;
    let atAbort = 0;
    const timer = setInterval(() => {
      if (++ticks < 3) return;
      atAbort = written;
      stopped.abort(new Error("enough"));
      clearInterval(timer);
    }, 1);
    const onToken = (): void => void written++;
    const request = { tokens, maxTokens: 10_000, presencePenalty: -3 };
    // Answers end at the model's positions; one of several goes on as long as it takes.
    for (;;) {
      const outcome = await generator
        .generate(request, { signal: stopped.signal, onToken })
        .catch((error: Error) => error);
      if (outcome instanceof Error) {
        expect(outcome.message).toBe("enough");
        break;
      }
    }
    expect(written - atAbort).toBeLessThanOrEqual(2);
    await generator.idle();
    await generator.dispose();
  });

  it("take a turn of the event loop for each token", async () => {
    const generator = await Generator.of(model, device, options);
    const loop = countTurns();
    const seen = new Set<number>();
    const { tokens: written } = await generator.generate(
      { tokens, maxTokens: 40 },
      { onToken: () => void seen.add(loop.turns) },
    );
    loop.stop();
    expect(seen.size).toBeGreaterThan(written.length / ((options.draftTokens ?? 0) + 2));
    await generator.dispose();
  });
});
