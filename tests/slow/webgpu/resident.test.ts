/** Training with weights that stay on the device: the processor's losses, and hardly a byte across the bus. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { webgpuAvailable } from "./available.js";
import { type Trajectory, type TrajectoryOptions, trajectory } from "./trajectory.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const mini = `${root}models/mini`;
const fixtures = `${root}src/model/fixtures`;
const families = readdirSync(fixtures, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !["bnb", "gguf"].includes(entry.name))
  .map(({ name }) => name);

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
  it.each(["nf4", "int8", "float32", "full"] as const)(
    "bundled:mini in %s: 20 steps give the processor's losses",
    (precision) => compare({ folder: mini, precision, steps: 20 }),
    1_800_000,
  );

  it("holds as many bytes after 50 steps as after 2", async () => {
    const { liveBytes } = await trajectory("webgpu", { folder: `${fixtures}/llama`, precision: "nf4", steps: 50 });
    expect(new Set(liveBytes.slice(1)).size).toBe(1);
  }, 1_800_000);

  it.each(families)(
    "%s: 20 steps give the processor's losses",
    async (family) => {
      const precision = (["nf4", "int8", "float32"] as const)[families.indexOf(family) % 3]!;
      await compare({ folder: `${fixtures}/${family}`, precision, steps: 20 });
    },
    1_800_000,
  );

  it(
    "attention block by block: 5 steps give the processor's losses",
    () => compare({ folder: `${fixtures}/gemma2`, precision: "int8", steps: 5, oneGraphTokens: 0 }),
    1_800_000,
  );
});
