import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { suiteRuns } from "../../tests/support/suite-runs.js";
import { resolveReference } from "./eval-reference.js";

const { write, inFolder } = suiteRuns();

it("finds a reference in a file, a run folder, an evaluation and an experiment's arm", () => {
  const file = write("ref.json", "[]");
  expect(resolveReference(file)).toBe(file);
  const place = (...parts: string[]) => {
    const folder = inFolder(join(...parts));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "model_outputs.json"), "[]");
    return join(folder, "model_outputs.json");
  };
  const run = place("run", "evals", "alpaca_eval");
  expect(resolveReference(inFolder("run"))).toBe(run);
  const evaluation = place("eval", "alpaca_eval");
  expect(resolveReference(inFolder("eval"))).toBe(evaluation);
  const step = place("exp", "steps", "eval.it.chat-1", "alpaca_eval");
  place("exp", "steps", "answers.it.chat-1", "alpaca_eval");
  for (const [name, text] of [
    ["a", "[1]"],
    ["b", "[2]"],
  ])
    writeFileSync(place("exp", "steps", `eval.two.${name}`, "alpaca_eval"), text!);
  write(
    "exp/experiment.json",
    JSON.stringify({
      steps: [
        { arm: "it", folder: "steps/eval.it.chat-1" },
        { arm: "it", folder: "steps/answers.it.chat-1" }, // a judge at a server: the same answers twice
        { arm: "rt", folder: "steps/x" },
        { arm: "two", folder: "steps/eval.two.a" },
        { arm: "two", folder: "steps/eval.two.b" },
      ],
    }),
  );
  expect(resolveReference(`${inFolder("exp")}:it`)).toBe(step);
  expect(() => resolveReference(`${inFolder("exp")}:rt`)).toThrow(/arm "rt" has no AlpacaEval outputs yet/);
  expect(() => resolveReference(`${inFolder("exp")}:no`)).toThrow(/no arm "no"; there are it, rt, two/);
  expect(() => resolveReference(`${inFolder("exp")}:two`)).toThrow(
    /several AlpacaEval outputs; name one: .*eval\.two\.b/,
  );
  expect(() => resolveReference(inFolder("exp"))).toThrow(
    /is an experiment; name an arm of it, .*:ARM, of it, rt, two/,
  );
  expect(() => resolveReference(inFolder("nowhere"))).toThrow(/no such file or folder/);
});
