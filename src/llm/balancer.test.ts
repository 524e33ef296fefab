/** Several servers behind one model reference, over real HTTP: the load is shared, and the loss of one loses nothing. */
import { expect, it } from "vitest";
import { HostileServer } from "../../tests/support/hostile-server.js";
import { OpenAiCompatibleModel } from "./openai-compatible.js";

it("answers 500 requests once each though one of two servers is killed halfway, and takes it back when it is up", async () => {
  const concurrency = 16;
  const a = await HostileServer.start({ delayMs: 2 });
  const b = await HostileServer.start({ delayMs: 2 });
  const model = new OpenAiCompatibleModel(`openai:m@${a.url},${b.url}`, { env: {}, concurrency, retries: 0 });
  const requests = Array.from({ length: 500 }, (_, i) => ({ prompt: `p${i}`, maxTokens: 4 }));
  const told = new Map<number, number>();
  const before = { a: 0, b: 0 };
  const results = await model.generate(requests, {
    onResult: (index) => {
      told.set(index, (told.get(index) ?? 0) + 1);
      if (told.size !== 250) return;
      Object.assign(before, { a: a.received.length, b: b.received.length });
      void b.stop();
    },
  });
  expect(results.map((result) => (result instanceof Error ? result.message : result.text))).toEqual(
    requests.map(({ prompt }) => `answer to ${prompt}`),
  );
  expect([...told.values()]).toEqual(requests.map(() => 1));
  // Both worked; when one died, only what it had under way was asked again.
  expect(Math.min(before.a, before.b)).toBeGreaterThan(100);
  const asked = [...a.received, ...b.received].map(({ prompt }) => prompt);
  expect(new Set(asked).size).toBe(500);
  expect(asked.length - 500).toBeLessThanOrEqual(concurrency);
  expect(b.received.length - before.b).toBeLessThanOrEqual(concurrency);

  const again = await HostileServer.start({ delayMs: 2 }, Number(new URL(b.url).port));
  await expect
    .poll(async () => {
      await model.generate(requests.slice(0, 8));
      return again.received.length;
    })
    .toBeGreaterThan(0);
  await Promise.all([a.stop(), again.stop()]);
});
