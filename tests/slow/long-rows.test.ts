/** Memory grows with a row's length and no faster, at lengths where attention's scores would fill it. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

it("trains and scores a row of 16,384 tokens in at most 2.2 times the memory of one of 8,192", {
  timeout: 900_000,
}, () => {
  const script = fileURLToPath(new URL("../../bench/long-rows.ts", import.meta.url));
  const output = execFileSync(process.execPath, ["--import", "tsx", script, "--lengths", "8192,16384"], {
    encoding: "utf8",
  });
  const [half, whole] = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { tokens: number; beyond_weights_mb: number });
  expect(whole!.tokens).toBe(16384);
  expect(half!.beyond_weights_mb).toBeGreaterThan(100);
  expect(whole!.beyond_weights_mb / half!.beyond_weights_mb).toBeLessThan(2.2);
});
