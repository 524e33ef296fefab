/** Runs suites on scripted models, in a folder of each test's own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { runSuites } from "../../src/eval/run-suites.js";
import type { SuiteContext } from "../../src/eval/suite.js";
import { readAllJsonl } from "../../src/files/jsonl.js";
import { repositoryRoot } from "../program.js";
import { type FakeBehaviour, FakeModel, fakeContext } from "./eval-fake-model.js";

/** Where public data lies; tests that want it are left out when it is not there. */
export const dataDir = process.env.EVOKE_DATA ?? join(repositoryRoot, "..", "shared", "data");

/** Registers hooks that make and remove a folder for each test, and returns what writes and runs in it. */
export function suiteRuns() {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "evoke-suites-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const rowsFile = (name: string, rows: unknown[]): string =>
    write(name, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));

  async function run(
    suite: string,
    subject: FakeBehaviour,
    judge: FakeBehaviour | undefined,
    rest: Partial<SuiteContext> = {},
  ) {
    const out = join(folder, "out");
    const model = new FakeModel(subject);
    const judgeModel = judge && new FakeModel(judge);
    const { context, said, close } = fakeContext(out, model, { judgeModel, ...rest });
    try {
      const results = await runSuites([suite], context);
      const samples = await readAllJsonl(join(out, "samples", `${suite}.jsonl`));
      return { result: results[suite]!, samples, model, judgeModel, said, out };
    } finally {
      close();
    }
  }

  return { write, rowsFile, run, inFolder: (name: string): string => join(folder, name) };
}

/** An answer of one token with the log-probabilities of these alternatives. */
export const top = (...entries: [string, number][]) => ({
  text: entries[0]![0],
  logprobs: [
    {
      token: entries[0]![0],
      logprob: Math.log(entries[0]![1]),
      top: entries.map(([token, p]) => ({ token, logprob: Math.log(p) })),
    },
  ],
});
