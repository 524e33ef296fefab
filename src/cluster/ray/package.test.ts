import { unzipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { planEpoch } from "../../data/batch-plan.js";
import { UsageError } from "../../errors.js";
import { jobRequirements, packJob, planRun } from "./package.js";

const example = (tokens: number[], mask: number[]) => ({
  tokens: Int32Array.from(tokens),
  mask: Uint8Array.from(mask),
  index: 0,
});
const contents = {
  job: { id: "a" },
  rows: [example([5, 6, 7, 8, 9], [0, 1, 1, 0, 1]), example([1, 2], [0, 1])],
  validation: [],
  plan: [[[0, 1]]],
  folders: {},
};

describe("packJob", () => {
  it("packs equal contents to equal bytes, under a name made from them", () => {
    const [one, two] = [packJob(contents), packJob({ ...contents, folders: {} })];
    expect(two).toEqual(one);
    expect(one.name).toMatch(/^_ray_pkg_[0-9a-f]{16}\.zip$/);
    expect(packJob({ ...contents, job: { id: "b" } }).name).not.toBe(one.name);
  });

  it("writes targets as ranges of tokens, and the program beside them", () => {
    const files = unzipSync(packJob(contents).bytes);
    expect(new TextDecoder().decode(files["rows.jsonl"])).toBe(
      '{"tokens":[5,6,7,8,9],"targets":[[1,3],[4,5]]}\n{"tokens":[1,2],"targets":[[1,2]]}\n',
    );
    expect(Object.keys(files)).toContain("main.py");
    expect(Object.keys(files).some((name) => name.includes("__pycache__"))).toBe(false);
  });

  it("refuses what a head would not take", () => {
    expect(() => packJob(contents, 2000)).toThrow(UsageError);
    expect(() => packJob(contents, 2 ** 10)).toThrow(/take \d+ MiB, a Ray head takes 0.0009765625;/);
  });
});

describe("planRun", () => {
  it.each([2, 1])("has the local trainer's examples in every update, across epochs (at most %i at once)", (share) => {
    const lengths = [5, 9, 3, 7, 4, 8, 6];
    const options = { seed: 3, micro: 2, accumulation: 2, maxLength: 16 };
    const plan = planRun(lengths, { ...options, share, steps: 5 });
    expect(plan).toHaveLength(5);
    const local = [0, 1, 2].flatMap((epoch) => {
      const micro = planEpoch(lengths, {
        seed: 3,
        epoch,
        microBatch: 2,
        accumulation: 2,
        packing: true,
        maxLength: 16,
      });
      return [micro.slice(0, 2).flat(), micro.slice(2).flat()];
    });
    const sorted = (batch: number[]): number[] => batch.toSorted((a, b) => a - b);
    expect(plan.map((batches) => sorted(batches.flat()))).toEqual(local.slice(0, 5).map(sorted));
    for (const batch of plan.flat()) expect(batch.length).toBeLessThanOrEqual(share);
  });
});

it("names the packages that the job was tested with", () => {
  expect(jobRequirements()).toEqual(
    expect.arrayContaining([expect.stringMatching(/^trl==/), expect.stringMatching(/^peft==/)]),
  );
});
