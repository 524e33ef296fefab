/**
 * Training with weights that stay on the device: the processor's losses, and hardly a byte across the bus. On a GPU in software all
 * of it takes long: `EVOKE_TEST_WEBGPU=all` runs every precision and family for 20 steps, else a few run for some steps.
 */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { webgpuAvailable } from "./available.js";
import { type Trajectory, type TrajectoryOptions, trajectory } from "./trajectory.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const mini = `${root}models/mini`;
const fixtures = `${root}src/model/fixtures`;
const isWhole = process.env.EVOKE_TEST_WEBGPU === "all";
const STEPS = isWhole ? 20 : 4;
const families = readdirSync(fixtures, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !["bnb", "gguf"].includes(entry.name))
  .map(({ name }) => name)
  .filter((name) => isWhole || ["gemma3", "gpt2", "llama"].includes(name));

/** Limits that the first micro-batch, which brings the weights, need not keep. */
function crossesTheBusRarely({ up, down, tokens, splitGraphs, left }: Trajectory): void {
  for (const bytes of up.slice(1)) expect(bytes).toBeLessThanOrEqual(64 * tokens + 4096);
  for (const bytes of down.slice(1)) expect(bytes).toBeLessThanOrEqual(1024);
  expect(splitGraphs, "graphs with nodes on the processor").toBe(0);
  expect(left).toBe(0);
}

async function compare(options: TrajectoryOptions): Promise<void> {
  const [host, device] = [await trajectory("cpu", options), await trajectory("webgpu", options)];
  for (const [i, loss] of host.losses.entries())
    expect(Math.abs(loss - device.losses[i]!), `step ${i}`).toBeLessThan(1e-4);
  crossesTheBusRarely(device);
}

describe.runIf(await webgpuAvailable())("training with resident weights", () => {
  it.each(isWhole ? (["nf4", "int8", "float32", "full"] as const) : (["nf4"] as const))(
    "bundled:mini in %s: steps give the processor's losses",
    (precision) => compare({ folder: mini, precision, steps: STEPS }),
    1_800_000,
  );

  it("holds as many bytes after many steps as after 2", async () => {
    const steps = isWhole ? 50 : 8;
    const { liveBytes } = await trajectory("webgpu", { folder: `${fixtures}/llama`, precision: "nf4", steps });
    expect(new Set(liveBytes.slice(1)).size).toBe(1);
  }, 1_800_000);

  it.each(families)(
    "%s: steps give the processor's losses",
    async (family) => {
      const precision = (["nf4", "int8", "float32"] as const)[families.indexOf(family) % 3]!;
      await compare({ folder: `${fixtures}/${family}`, precision, steps: STEPS });
    },
    1_800_000,
  );

  it(
    "attention block by block: steps give the processor's losses",
    () => compare({ folder: `${fixtures}/gemma2`, precision: "int8", steps: isWhole ? 5 : 1, oneGraphTokens: 0 }),
    1_800_000,
  );
});
