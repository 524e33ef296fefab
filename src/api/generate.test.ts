import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeTinyModel } from "../../tests/support/tiny-model.js";
import { UsageError } from "../errors.js";
import { generate, generateMany } from "./generate.js";
import { type Model, openModel } from "./model.js";
import { score } from "./score.js";
import { streamText } from "./stream-text.js";

let folder: string;
let model: Model;
const prompt = "the quiet river";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "evoke-generate-"));
  writeTinyModel(join(folder, "model"));
  model = await openModel({ model: join(folder, "model") });
});
afterAll(async () => {
  await model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe("generate", () => {
  it("takes a model by name or open", async () => {
    const open = await generate({ model, prompt, maxTokens: 6 });
    expect(open.outputTokens).toBe(6);
    expect(await generate({ model: join(folder, "model"), prompt, maxTokens: 6 })).toEqual(open);
  });

  it("rejects a request that cannot be met", async () => {
    await expect(generate({ model })).rejects.toThrow(UsageError);
    await expect(generate({ model, prompt, maxTokens: 0 })).rejects.toThrow(/maxTokens/);
  });

  it("is stopped while it writes", async () => {
    const stop = new AbortController();
    const task = generate({ model, prompt, maxTokens: 400, signal: stop.signal });
    setImmediate(() => stop.abort());
    await expect(task).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("generateMany", () => {
  it("answers in the order of the requests, a failure in its place", async () => {
    const requests = [{ prompt, maxTokens: 4 }, {}, { prompt, maxTokens: 4 }];
    const told: number[] = [];
    const results = await generateMany({
      model,
      requests,
      onProgress: (event) => event.type === "answer" && told.push(event.index),
    });
    expect(results[1]).toBeInstanceOf(UsageError);
    expect(results[0]).toEqual(results[2]);
    expect(told.sort()).toEqual([0, 1, 2]);
  });

  it("takes finished answers from the journal", async () => {
    const journal = join(folder, "answers.jsonl");
    const requests = [{ prompt, maxTokens: 4, temperature: 1, seed: 3 }];
    const [first] = await generateMany({ model, requests, journal });
    const again = { ...model.language, id: model.id, generate: () => Promise.reject(new Error("asked again")) };
    const other = Object.assign(Object.create(Object.getPrototypeOf(model)), { language: again, reference: "same" });
    expect(await generateMany({ model: other, requests, journal })).toEqual([first]);
  });
});

describe("streamText", () => {
  it("gives pieces that join to the answer of generate", async () => {
    const stream = streamText({ model, prompt, maxTokens: 12 });
    let text = "";
    for await (const piece of stream) text += piece;
    expect(text).toBe((await generate({ model, prompt, maxTokens: 12 })).text);
    expect(await stream.text).toBe(text);
    expect((await stream.result).finishReason).toBe("length");
  });

  it("stops writing when the loop is left", async () => {
    const stream = streamText({ model, prompt, maxTokens: 400 });
    for await (const _ of stream) break;
    await expect(stream.result).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("score", () => {
  it("scores as the generator does", async () => {
    const pairs = [{ context: prompt, continuation: " runs" }];
    const [result] = await score({ model, pairs });
    expect(result!.logprob).toBeLessThan(0);
    expect(await score({ model, pairs: [...pairs, ...pairs] })).toHaveLength(2);
  });
});
