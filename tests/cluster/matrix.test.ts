/** Every kind of training on two Ray nodes, one worker on each, against the local engine. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalRay, python } from "./ray.js";
import { Runs } from "./runs.js";

/** bitsandbytes' arithmetic on 4-bit weights differs in the last digits. */
const CLOSE = { lora: 1e-5, qlora: 5e-4 };

const WATCHED = {
  plain: { data: { path: "rows.jsonl" }, validation: undefined },
  validation: { validation: { every_steps: 5 } },
  // No fall of the loss is enough: it ends with the third validation.
  "early stop": { validation: { every_steps: 5 }, early_stop: { patience: 2, min_delta: 10 } },
};

const cases = (["it", "rt"] as const).flatMap((mode) =>
  (["lora", "qlora"] as const).flatMap((method) =>
    Object.entries(WATCHED).map(([watched, settings]) => ({ mode, method, watched, settings })),
  ),
);

let runs: Runs;
let ray: LocalRay;
beforeAll(async () => {
  runs = new Runs();
  ray = await LocalRay.start({ nodes: 2 });
});
afterAll(async () => {
  await ray?.close();
  runs?.remove();
});

describe.skipIf(!python)("two nodes", () => {
  it.each(cases)("$mode, $method, $watched: the local engine's losses", async ({ mode, method, watched, settings }) => {
    const name = `${mode}-${method}-${watched.replace(" ", "-")}`;
    const path = runs.recipe(name, { method, mode, ...settings, cluster: { workers: 2 } });
    const remote = await runs.onRay(path, `${name}-ray`, ray.address);
    expect(remote.code, remote.stderr).toBe(0);
    const local = await runs.here(path, `${name}-local`);
    expect(local.code, local.stderr).toBe(0);
    expect(runs.steps(`${name}-ray`)).toHaveLength(watched === "early stop" ? 15 : 20);
    const { loss, validation } = runs.distance(`${name}-ray`, `${name}-local`);
    expect(loss).toBeLessThan(CLOSE[method]);
    expect(validation).toBeLessThan(CLOSE[method]);
  });
});
