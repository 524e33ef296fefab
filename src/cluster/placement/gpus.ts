/** GPUs: those of this machine, and what a cluster's shape names. */
import { execFileSync } from "node:child_process";
import { UsageError } from "../../errors.js";

export interface Gpu {
  name: string;
  /** Bytes in all, or free ones where that is known. */
  memory: number;
  /** Dense products in bfloat16 (float16 on T4 and V100), FLOP/s by the maker's data sheet. */
  rate: number;
}

export interface ClusterShape {
  nodes: number;
  /** GPUs of a node. */
  gpus: number;
  gpu: Gpu;
}

const GB = 1e9;
const TERA = 1e12;

/** Makers' data sheets: memory in 10⁹ bytes, dense (not sparse) tensor rate. The first entry of a name is its usual size. */
const KNOWN: readonly { pattern: RegExp; name: string; memory: number; rate: number }[] = [
  { pattern: /B300/i, name: "B300", memory: 288, rate: 2500 },
  { pattern: /B200/i, name: "B200", memory: 180, rate: 2250 },
  { pattern: /MI355X?/i, name: "MI355X", memory: 288, rate: 2500 },
  { pattern: /MI325X?/i, name: "MI325X", memory: 256, rate: 1307 },
  { pattern: /MI300X?/i, name: "MI300X", memory: 192, rate: 1307 },
  { pattern: /RTX ?PRO ?6000/i, name: "RTXPRO6000", memory: 96, rate: 504 },
  { pattern: /H200/i, name: "H200", memory: 141, rate: 989 },
  { pattern: /H100/i, name: "H100", memory: 80, rate: 989 },
  { pattern: /A100.*80/i, name: "A100-80GB", memory: 80, rate: 312 },
  { pattern: /A100/i, name: "A100", memory: 40, rate: 312 },
  { pattern: /L40S/i, name: "L40S", memory: 48, rate: 362 },
  { pattern: /L4\b/i, name: "L4", memory: 24, rate: 121 },
  { pattern: /A10G?\b/i, name: "A10", memory: 24, rate: 125 },
  { pattern: /V100/i, name: "V100", memory: 16, rate: 125 },
  { pattern: /T4\b/i, name: "T4", memory: 16, rate: 65 },
  { pattern: /5090/i, name: "RTX5090", memory: 32, rate: 210 },
  { pattern: /4090/i, name: "RTX4090", memory: 24, rate: 165 },
  { pattern: /3090/i, name: "RTX3090", memory: 24, rate: 71 },
];

/** The names that a shape may use. */
export const gpuNames: readonly string[] = KNOWN.map(({ name }) => name);

/** A GPU of the table by its name, memory in bytes; undefined when it is not there. */
export function knownGpu(name: string): Gpu | undefined {
  const found = KNOWN.find(({ pattern }) => pattern.test(name));
  return found && { name: found.name, memory: found.memory * GB, rate: found.rate * TERA };
}

/**
 * `[NODESx]GPUSxTYPE[-MEMORYGB]`, such as `8xA100-80GB` or `2x8xH100`.
 * @throws UsageError for another form or an unknown type.
 */
export function parseClusterShape(text: string): ClusterShape {
  const [, nodes = "1", gpus, type, memory] =
    /^(?:([1-9]\d{0,3})x)?([1-9]\d{0,2})x([a-z][a-z0-9]*?)(?:-(\d+)GB)?$/i.exec(text) ?? [];
  const gpu = type === undefined ? undefined : knownGpu(memory === undefined ? type : `${type}-${memory}GB`);
  if (!gpu)
    throw new UsageError(
      `--cluster ${text}: expected [NODESx]GPUSxTYPE[-MEMORYGB], such as 2x8xH100; types: ${gpuNames.join(", ")}`,
    );
  const size = memory === undefined ? gpu.memory : Number(memory) * GB;
  return { nodes: Number(nodes), gpus: Number(gpus), gpu: { ...gpu, memory: size } };
}

/** NVIDIA cards of this machine with their free memory, as its driver tells them; none without one. */
export function localGpus(query: () => string = nvidiaSmi): Gpu[] {
  let text: string;
  try {
    text = query();
  } catch {
    return [];
  }
  return text.split("\n").flatMap((line) => {
    const [name, free] = line.split(",").map((part) => part.trim());
    if (!name || !(Number(free) > 0)) return [];
    // A card that the table lacks gets a rate that is low for today's.
    const rate = knownGpu(name)?.rate ?? 30 * TERA;
    return [{ name, memory: Number(free) * 2 ** 20, rate }];
  });
}

function nvidiaSmi(): string {
  return execFileSync("nvidia-smi", ["--query-gpu=name,memory.free", "--format=csv,noheader,nounits"], {
    encoding: "utf8",
    timeout: 5_000,
    stdio: ["ignore", "pipe", "ignore"],
  });
}
