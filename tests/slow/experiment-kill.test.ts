/** An experiment that is killed over and over ends with the report data of an undisturbed one, and asks its judge nothing twice. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/random/counter.js";
import { evoke } from "../program.js";
import { interrupt, reportData, startJudge, writeTinyExperiment } from "../support/tiny-experiment.js";

const KILLS = 20;

describe("an experiment", () => {
  it(`survives ${KILLS} kills at random moments`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "evoke-experiment-kill-"));
    const judge = await startJudge();
    try {
      process.env.OPENAI_API_KEY = "none";
      const file = writeTinyExperiment(folder, { steps: 40, judge: judge.url });
      const calm = await evoke(["run", file, "--out", join(folder, "calm")]);
      expect(calm.code, calm.stderr).toBe(0);
      const asked = judge.asked.length;
      const random = new Random("experiment kill moments");
      const out = join(folder, "killed");
      let killed = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        const code = await interrupt(["run", file, "--out", out], "SIGKILL", 300 + random.below(1500));
        killed += Number(code === null);
      }
      expect(killed).toBeGreaterThan(5);
      const last = await evoke(["run", file, "--out", out]);
      expect(last.code, last.stderr).toBe(0);
      expect(reportData(out)).toEqual(reportData(join(folder, "calm")));
      // A request that was under way when the process died has to be made again; finished ones never.
      expect(judge.asked.length - asked).toBeLessThanOrEqual(asked + killed);
    } finally {
      await judge.close();
    }
  }, 600_000);
});
