/** Tokenising a long text lets others go on, and gives the ids of tokenising it at once. */
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { countTurns } from "../../tests/support/turns.js";
import { loadTokenizer } from "./tokenizer.js";

const tokenizer = await loadTokenizer(fileURLToPath(new URL("../../models/mini", import.meta.url)));
const words = ["the", " river", " ran", "\n\n", "<s>", "Ünïcode", "中文", " 😀", "  ", "123", "don't"];
const long = Array.from({ length: 200_000 }, (_, i) => words[(i * 7919) % words.length]).join("");

it.each([true, false])("special tokens: %s", async (addSpecialTokens) => {
  const loop = countTurns();
  const ids = await tokenizer.encodeInTurns!(long, { addSpecialTokens });
  loop.stop();
  expect(loop.turns).toBeGreaterThan(0);
  expect(ids).toEqual(tokenizer.encode(long, { addSpecialTokens }));
});

it("takes no turn for a short text", async () => {
  let turned = false;
  setImmediate(() => (turned = true));
  expect(await tokenizer.encodeInTurns!("the river")).toEqual(tokenizer.encode("the river"));
  expect(turned).toBe(false);
});
