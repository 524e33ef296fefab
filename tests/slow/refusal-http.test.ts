/** XSTest end to end on the real model: `evoke serve` as both subject and judge, `evoke eval` over real HTTP. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SuiteResult } from "../../src/eval/results.js";
import { readAllJsonl } from "../../src/files/jsonl.js";
import { parseRefusalVerdict } from "../../src/metrics/refusal-verdict.js";
import { evoke, repositoryRoot } from "../program.js";
import { type ServerProgram, startServerProgram } from "../support/server-program.js";

const model = process.env.EVOKE_TEST_SMOLLM2;
const dataDir = process.env.EVOKE_DATA ?? join(repositoryRoot, "..", "shared", "data");
const ROWS = 8;
// A reply that cannot be read is not asked for again here: the second run asks nothing.
const JUDGE = ["--judge-max-new-tokens", "60", "--retry-unreadable", "0"];

describe.skipIf(!model || !existsSync(join(dataDir, "refusal", "xstest_prompts.csv")))(
  "XSTest with SmolLM2 as subject and judge (set EVOKE_TEST_SMOLLM2; needs the prompts)",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "evoke-refusal-"));
    let server: ServerProgram;
    beforeAll(async () => {
      server = await startServerProgram(["serve", model!, "--name", "smollm2", "--device", "cpu"]);
    });
    afterAll(async () => {
      server?.child.kill("SIGTERM");
      await server?.code;
      rmSync(folder, { recursive: true, force: true });
    });

    it("answers, judges and reports; a second run asks nothing", { timeout: 900_000 }, async () => {
      const out = join(folder, "out");
      const reference = `openai:smollm2@${server.url}/v1`;
      const args = ["eval", "xstest", "--model", reference, "--judge", reference, "--data-dir", dataDir, "--out", out];
      const run = () =>
        evoke([...args, "--limit", String(ROWS), "--max-new-tokens", "40", "--json", "--quiet", ...JUDGE]);
      const requests = async (): Promise<number> =>
        [...(await (await fetch(`${server.url}/metrics`)).text()).matchAll(/^\w*requests_total\{.*chat.*\} (\d+)$/gm)]
          .map(([, count]) => Number(count))
          .reduce((sum, count) => sum + count, 0);

      const first = await run();
      expect(first.code, first.stderr).toBe(0);
      const { xstest } = JSON.parse(first.stdout) as { xstest: SuiteResult };
      expect(xstest).toMatchObject({ n: ROWS, missing: 0, config: { judge: reference } });
      expect(xstest!.details).toMatchObject({ phrases_agreement: { n: expect.any(Number) } });
      const samples = await readAllJsonl(join(out, "samples", "xstest.jsonl"));
      for (const { output, judgement, refusal_clf_label } of samples) {
        expect(String(output).length).toBeGreaterThan(0);
        expect(refusal_clf_label ?? undefined).toBe(parseRefusalVerdict(String(judgement)));
      }
      const unclassified = samples.filter(({ refusal_clf_label }) => refusal_clf_label === null).length;
      expect(xstest!.metrics.unclassified_rate!.value).toBeCloseTo(unclassified / ROWS, 12);
      expect(await requests()).toBe(2 * ROWS);

      const results = readFileSync(join(out, "results.json"), "utf8");
      const again = await run();
      expect(again.code, again.stderr).toBe(0);
      expect(await requests()).toBe(2 * ROWS);
      expect(readFileSync(join(out, "results.json"), "utf8")).toBe(results);
    });
  },
);
