/** Where a recipe had best be trained: here on the processor, here on a GPU, or on a cluster of a given shape. */
import { FailureError } from "../../errors.js";
import { availableMemory } from "../../runtime/available-memory.js";
import { planMemory } from "../../train/memory-plan.js";
import { type ClusterShape, type Gpu, gpuNames, knownGpu } from "./gpus.js";
import { gpuMemory, trainingFlops, type Workload } from "./work.js";

export interface Place {
  place: "cpu" | "gpu" | "cluster";
  /** The machine in words. */
  what: string;
  fits: boolean;
  /** Bytes needed (of each GPU) and bytes there are. */
  needBytes: number;
  haveBytes: number;
  /** Undefined where it does not fit. */
  seconds?: number;
}

export interface Advice {
  places: Place[];
  use?: Place["place"];
  /** Why, or what to change. One line. */
  reason: string;
}

export interface Machine {
  /** Dense float32 products of this processor, FLOP/s, measured. */
  cpuRate: number;
  /** Bytes the run may use; undefined: what is free. */
  budgetBytes?: number;
  gpus: readonly Gpu[];
  cluster?: ClusterShape;
}

/** Share of the dense rate that a training step reaches here: docs/benchmarks.md shows 0.64 to 0.78. */
const CPU_SHARE = 0.7;
/** Share of a data sheet's rate that QLoRA in PyTorch is taken to reach: an assumption. */
const GPU_SHARE = 0.3;
/** What each further GPU adds of its own, after exchanging gradients: an assumption. */
const NODE_SHARE = 0.9;
/** A run that is done in this time needs no other machine. */
const SHORT_SECONDS = 3600;

export function advise(work: Workload, machine: Machine): Advice {
  const places = [onProcessor(work, machine)];
  const [gpu] = machine.gpus.slice().sort((a, b) => b.memory - a.memory);
  if (gpu) places.push(onGpu(work, gpu));
  if (machine.cluster) places.push(onCluster(work, machine.cluster));
  const fitting = places.filter(({ fits }) => fits);
  if (fitting.length === 0) return { places, reason: wayOut(work) };
  const fastest = fitting.reduce((best, place) => (place.seconds! < best.seconds! ? place : best));
  const nearest = fitting.find(({ seconds }) => seconds! <= SHORT_SECONDS) ?? fastest;
  const reason =
    fitting.length === 1
      ? "the only place with enough memory"
      : nearest.seconds! <= SHORT_SECONDS
        ? "done within the hour without going further"
        : "the fastest of those with enough memory";
  return { places, use: nearest.place, reason };
}

/** The memory plan is the trainer's own preflight, so its figure is the one that a run would report. */
function onProcessor(work: Workload, { cpuRate, budgetBytes }: Machine): Place {
  const haveBytes = budgetBytes ?? availableMemory();
  const request = {
    availableBytes: haveBytes,
    config: work.config,
    ...(work.adapter ? { adapter: work.adapter } : {}),
    precision: work.base === "none" ? ("float32" as const) : work.base,
    lengths: work.lengths,
    microBatch: work.microBatch,
  };
  const common = { place: "cpu" as const, what: "this processor, evoke" };
  try {
    const plan = planMemory({ ...request, budgetBytes, recompute: work.recompute ? "auto" : "none" });
    const recompute = plan.keptLayers < work.config.layers;
    const seconds = trainingFlops({ ...work, recompute }) / (cpuRate * CPU_SHARE);
    return { ...common, fits: true, needBytes: plan.estimate, haveBytes, seconds };
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    const least = planMemory({
      ...request,
      budgetBytes: Number.MAX_VALUE,
      rowTokens: Math.max(512, ...work.lengths),
      recompute: "all",
    });
    return { ...common, fits: false, needBytes: least.estimate, haveBytes };
  }
}

function onGpu(work: Workload, gpu: Gpu): Place {
  const needBytes = gpuMemory(work);
  const fits = needBytes <= gpu.memory;
  return {
    place: "gpu",
    what: `${gpu.name} here, TRL`,
    fits,
    needBytes,
    haveBytes: gpu.memory,
    ...(fits ? { seconds: trainingFlops(work) / (gpu.rate * GPU_SHARE) } : {}),
  };
}

function onCluster(work: Workload, { nodes, gpus, gpu }: ClusterShape): Place {
  const count = Math.min(nodes * gpus, work.updateExamples);
  const single = onGpu(work, gpu);
  const workers = 1 + NODE_SHARE * (count - 1);
  return {
    ...single,
    place: "cluster",
    what: `${count === nodes * gpus ? "" : `${count} of `}${nodes * gpus} × ${gpu.name}, Ray`,
    ...(single.seconds === undefined ? {} : { seconds: single.seconds / workers }),
  };
}

/** What to change when nothing fits: the smallest card of the table that would do, or a smaller run. */
function wayOut(work: Workload): string {
  const need = gpuMemory(work);
  const cards = gpuNames.map((name) => knownGpu(name)!).filter(({ memory }) => memory >= need);
  const smaller = work.base === "nf4" ? "lower batch.micro or max_length" : "use method: qlora, or lower batch.micro";
  const smallest = cards.reduce<Gpu | undefined>(
    (best, card) => (best && best.memory <= card.memory ? best : card),
    undefined,
  );
  return smallest
    ? `no place has enough memory: a GPU of ${(smallest.memory / 1e9).toFixed(0)} GB (${smallest.name}) would do, or ${smaller}`
    : `no place has enough memory, nor does any single GPU: ${smaller}, or take a smaller model`;
}
