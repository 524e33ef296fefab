/** A model that writes an answer and the turn's end as its template has them stops there, whatever the template. */
import { describe, expect, it } from "vitest";
import { fixtureModel } from "../../tests/support/fixture-model.js";
import { golden, tokenizerOf } from "../../tests/support/golden-templates.js";
import { encodeConversation } from "../data/encode.js";
import type { LinearName } from "../model/decoder-layer.js";
import type { StoredWeight } from "../model/weights.js";
import { Random } from "../random/counter.js";
import { Device } from "../runtime/device.js";
import type { Message } from "../tokenizer/message.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { Generator } from "./generator.js";
import type { LoadedModel } from "./load-model.js";
import { encodeMessages } from "./prompt.js";

/** A model whose next token depends on the last one alone: blocks add nothing, the head knows what follows what. */
function chainModel(tokenizer: Tokenizer, follows: ReadonlyMap<number, number>): LoadedModel {
  const model = fixtureModel("llama", tokenizer);
  const { weights } = model;
  const config = { ...weights.config, vocabSize: tokenizer.vocabSize };
  const { hiddenSize } = config;
  const row = (id: number): Float32Array => {
    const random = new Random("chain", id);
    return Float32Array.from({ length: hiddenSize }, () => random.normal());
  };
  const head = new Float32Array(config.vocabSize * hiddenSize);
  for (const [last, next] of follows)
    for (const [i, value] of row(last).entries()) head[next * hiddenSize + i]! += value;
  const silent = (name: LinearName): boolean => /o_proj|down_proj/.test(name);
  const zero = (weight: StoredWeight): StoredWeight =>
    weight.kind === "float32" ? { kind: "float32", data: new Float32Array(weight.data.length) } : weight;
  const layers = weights.layers.map((layer) => ({
    ...layer,
    linear: new Map([...layer.linear].map(([name, weight]) => [name, silent(name) ? zero(weight) : weight])),
  }));
  const embed = (ids: ArrayLike<number>, out: Float32Array): void => {
    for (let i = 0; i < ids.length; i++) out.set(row(ids[i]!), i * hiddenSize);
  };
  const finalNorm = new Float32Array(hiddenSize).fill(1);
  return { ...model, config, weights: { ...weights, config, layers, head, embed, finalNorm } };
}

describe("a tuned model", () => {
  it.each(Object.keys(golden.templates))("stops after its answer with the template of %s", async (name) => {
    const tokenizer = await tokenizerOf(name, { addsBos: false, appendsEos: false });
    const ask: Message[] = [{ role: "user", content: "Hi" }];
    const messages: Message[] = [...ask, { role: "assistant", content: "Yo" }];
    const rows = { messages, source: "rows", line: 1, index: 0 };
    const { example } = encodeConversation(rows, tokenizer, { template: "model", mode: "it", maxLength: 512 });
    // The answer and the last token that training teaches; behind it the chain would go on for ever.
    const end = example!.tokens[[...example!.mask].lastIndexOf(1)]!;
    const prompt = (await encodeMessages(tokenizer, ask, "model")).tokens;
    const answered = [...tokenizer.encode("Yo", { addSpecialTokens: false }), end];
    const chain = [prompt.at(-1)!, ...answered, answered[0]!];
    const follows = new Map(chain.slice(1).map((id, i) => [chain[i]!, id]));
    expect(follows.size).toBe(answered.length + 1);
    const model = chainModel(tokenizer, follows);
    const generator = await Generator.of(model, await Device.open({ threads: 1 }), {
      template: "model",
      weights: "float32",
    });
    const answer = await generator.generate({ messages: ask, maxTokens: 40, temperature: 0 });
    expect(answer.finishReason).toBe("stop");
    expect(answer.text.trim()).toBe("Yo");
    expect(answer.outputTokens).toBe(answered.length);
    await generator.dispose();
  });
});
