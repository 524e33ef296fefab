import { describe, expect, it } from "vitest";
import { ContextLengthError } from "../errors.js";
import { checkPromptSize } from "./prompt-size.js";

/** One token for each word; notes the longest text it was given. */
function wordTokenizer() {
  const seen = { longest: 0, calls: 0 };
  return {
    seen,
    encode(text: string): number[] {
      seen.calls++;
      seen.longest = Math.max(seen.longest, text.length);
      return (text.match(/\S+/g) ?? []).map((_, i) => i);
    },
  };
}

describe("checkPromptSize", () => {
  it("does not tokenise what surely fits", async () => {
    const { seen, ...tokenizer } = wordTokenizer();
    await checkPromptSize({ prompt: "a b c" }, tokenizer, 100);
    expect(seen.calls).toBe(0);
  });

  it("refuses ten megabytes after reading little of them, in small pieces", async () => {
    const { seen, ...tokenizer } = wordTokenizer();
    for (const text of ["a b ".repeat(2_500_000), "😀 ".repeat(3_000_000)])
      await expect(checkPromptSize({ prompt: text }, tokenizer, 5_000)).rejects.toThrow(ContextLengthError);
    expect(seen.longest).toBeLessThanOrEqual(4_097);
    expect(seen.calls).toBeLessThan(20);
  });

  it("counts a conversation's messages together, and token ids", async () => {
    const { seen: _, ...tokenizer } = wordTokenizer();
    const messages = Array.from({ length: 10 }, () => ({ role: "user" as const, content: "a ".repeat(200) }));
    await expect(checkPromptSize({ messages }, tokenizer, 1_000)).rejects.toThrow("more than 1000 tokens");
    await expect(checkPromptSize({ tokens: Array(1_001).fill(1) }, tokenizer, 1_000)).rejects.toThrow("more than 1000");
  });

  it("lets others go on in between, and stops when it is told to", async () => {
    const { seen, ...tokenizer } = wordTokenizer();
    const stop = new AbortController();
    const checking = checkPromptSize({ prompt: "word ".repeat(100_000) }, tokenizer, 400_000, stop.signal);
    setImmediate(() => stop.abort(new Error("gone")));
    await expect(checking).rejects.toThrow("gone");
    expect(seen.calls).toBeLessThan(5);
  });

  it("never refuses what fits", async () => {
    const { seen: _, ...tokenizer } = wordTokenizer();
    await checkPromptSize({ prompt: "word ".repeat(10_000) }, tokenizer, 10_000);
  });
});
