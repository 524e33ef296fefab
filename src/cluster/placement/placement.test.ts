import { describe, expect, it } from "vitest";
import { decoderConfig } from "../../model/architectures/index.js";
import { adapterShape } from "../../peft/targets.js";
import { planMemory } from "../../train/memory-plan.js";
import { advise } from "./advise.js";
import { localGpus, parseClusterShape } from "./gpus.js";
import { gpuMemory, linearWeights, trainingFlops, type Workload } from "./work.js";

/** The shape of an 8B Llama. */
const config = decoderConfig(
  {
    model_type: "llama",
    hidden_size: 4096,
    intermediate_size: 14336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    vocab_size: 128256,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-5,
    rope_theta: 500000,
    hidden_act: "silu",
    tie_word_embeddings: false,
  },
  "8b",
);
const adapter = adapterShape(config, { r: 64, alpha: 16, dropout: 0.1, target_modules: "all-linear" });
const qlora: Workload = {
  config,
  adapter,
  base: "nf4",
  lengths: new Array<number>(1000).fill(512),
  targets: 400_000,
  microBatch: 8,
  updateExamples: 64,
  epochs: 2,
  recompute: true,
};

describe("what a run costs", () => {
  it("is six operations for each weight and token when all weights are trained", () => {
    expect(linearWeights(config)).toBe(6_979_321_856);
    const full = { ...qlora, adapter: undefined, base: "none" as const, recompute: false, targets: 512_000 };
    const weights = linearWeights(config) + config.vocabSize * config.hiddenSize;
    const perWeight = trainingFlops(full) / (2 * 512_000 * weights);
    expect(perWeight).toBeGreaterThan(6);
    expect(perWeight).toBeLessThan(6.2); // attention on top
    expect(trainingFlops({ ...full, recompute: true }) / trainingFlops(full)).toBeCloseTo(8 / 6, 1);
    expect(trainingFlops({ ...full, epochs: 4 })).toBe(2 * trainingFlops(full));
  });

  it("is less with a frozen base, in arithmetic and in memory", () => {
    const full: Workload = { ...qlora, adapter: undefined, base: "none" };
    expect(trainingFlops(qlora)).toBeLessThan(0.85 * trainingFlops(full));
    // 7.0 G weights in NF4, embedding and head in bfloat16, the factors' 168 M numbers with gradients and moments.
    const fixed = 1e9 + 1.1 * (6.979e9 * 0.5159 + 4 * 128256 * 4096 + 16 * 167_772_160);
    const tiny = { ...qlora, microBatch: 1, lengths: [1] };
    expect(gpuMemory(tiny) / fixed).toBeCloseTo(1, 2);
    expect(gpuMemory(full)).toBeGreaterThan(16 * 8e9);
    expect(gpuMemory({ ...qlora, base: "int8" }) - gpuMemory(qlora)).toBeCloseTo(1.1 * 6.979e9 * (1.01 - 0.5159), -7);
    expect(gpuMemory({ ...qlora, microBatch: 16 })).toBeGreaterThan(gpuMemory(qlora) + 10 * 8 * 512 * 128256);
  });
});

describe("shapes of clusters", () => {
  it("names nodes, GPUs and their type", () => {
    expect(parseClusterShape("2x8xH100")).toMatchObject({ nodes: 2, gpus: 8, gpu: { memory: 80e9, rate: 989e12 } });
    expect(parseClusterShape("4xA100-80GB")).toMatchObject({ nodes: 1, gpus: 4, gpu: { memory: 80e9 } });
    expect(parseClusterShape("1xa100")).toMatchObject({ gpu: { memory: 40e9 } });
    expect(parseClusterShape("1xRTX4090-48GB").gpu.memory).toBe(48e9);
    expect(parseClusterShape("1xL4").gpu.name).toBe("L4");
    expect(parseClusterShape("1xL40S").gpu.name).toBe("L40S");
    for (const text of ["", "H100", "0xH100", "2x8x", "8xXYZ", "axbxc"])
      expect(() => parseClusterShape(text)).toThrow(/^--cluster .*: expected \[NODESx\]GPUSxTYPE/);
  });

  it("finds local cards by their driver, free memory in MiB", () => {
    const cards = localGpus(() => "NVIDIA GeForce RTX 4090, 20000\nNVIDIA Unheard Of, 8000\n\n");
    expect(cards.map(({ name }) => name)).toEqual(["NVIDIA GeForce RTX 4090", "NVIDIA Unheard Of"]);
    expect(cards[0]!.memory).toBe(20000 * 2 ** 20);
    expect(cards[0]!.rate).toBeGreaterThan(cards[1]!.rate);
    expect(
      localGpus(() => {
        throw new Error("ENOENT");
      }),
    ).toEqual([]);
  });
});

describe("advice", () => {
  const card = (memory: number) => ({ name: "card", memory, rate: 1e14 });
  const machine = { cpuRate: 1e11, budgetBytes: 64e9, gpus: [] };

  it("takes the trainer's own memory plan for the processor", () => {
    const plan = planMemory({
      config,
      adapter,
      precision: "nf4",
      lengths: qlora.lengths,
      microBatch: 8,
      budgetBytes: 64e9,
      recompute: "auto",
    });
    expect(advise(qlora, machine).places).toEqual([
      expect.objectContaining({ place: "cpu", fits: true, needBytes: plan.estimate, haveBytes: 64e9 }),
    ]);
  });

  it("stays on this machine for short runs and goes to the fastest place that holds it for long ones", () => {
    const short = { ...qlora, lengths: [64], targets: 40, microBatch: 1, epochs: 1 };
    const gpus = [card(80e9)];
    const cluster = parseClusterShape("8xH100");
    expect(advise(short, { ...machine, gpus, cluster }).use).toBe("cpu");
    const forty = { ...qlora, epochs: 40 };
    expect(advise(qlora, { ...machine, gpus, cluster }).use).toBe("gpu");
    const long = advise(forty, { ...machine, gpus: [card(8e9), card(80e9)], cluster });
    expect(long.use).toBe("cluster");
    expect(long.places.map(({ place, fits }) => [place, fits])).toEqual([
      ["cpu", true],
      ["gpu", true],
      ["cluster", true],
    ]);
    expect(advise(forty, { ...machine, gpus: [card(8e9)] }).use).toBe("cpu");
    const eight = long.places[2]!.seconds!;
    expect(advise(forty, { ...machine, cluster: parseClusterShape("1xH100") }).places[1]!.seconds! / eight).toBeCloseTo(
      7.3,
    );
  });

  it("says what would do when nothing holds it", () => {
    const none = advise(qlora, { ...machine, budgetBytes: 2e9, gpus: [card(4e9)] });
    expect(none.use).toBeUndefined();
    expect(none.reason).toMatch(/^no place has enough memory: a GPU of \d+ GB \(.+\) would do, or lower batch\.micro/);
    expect(none.places.map(({ seconds }) => seconds)).toEqual([undefined, undefined]);
    expect(none.places[0]!.needBytes).toBeGreaterThan(5e9);
    const full = { ...qlora, adapter: undefined, base: "none" as const };
    expect(advise(full, { ...machine, budgetBytes: 2e9 }).reason).toBe(
      "no place has enough memory: a GPU of 180 GB (B200) would do, or use method: qlora, or lower batch.micro",
    );
  });
});
