/** Frequencies of the rotary position embedding, with the scalings that checkpoints use. */

export type RopeScaling =
  | { type: "linear"; factor: number }
  | {
      /** Llama 3.1's: long wavelengths slowed by `factor`, short ones kept, a ramp between. */
      type: "llama3";
      factor: number;
      lowFrequencyFactor: number;
      highFrequencyFactor: number;
      originalPositions: number;
    };

/** Rotary positions of a kind of layer. */
export interface Rope {
  /** Numbers of a head that are rotated. */
  dims: number;
  theta: number;
  scaling?: RopeScaling;
}

/** Angle per position of each pair of rotated numbers: dims / 2 of them. */
export function ropeFrequencies(dims: number, theta: number, scaling?: RopeScaling): Float64Array {
  const frequencies = Float64Array.from({ length: dims / 2 }, (_, i) => theta ** ((-2 * i) / dims));
  if (scaling?.type === "linear") return frequencies.map((f) => f / scaling.factor);
  if (scaling?.type === "llama3")
    return frequencies.map((f) => {
      const wavelength = (2 * Math.PI) / f;
      if (wavelength < scaling.originalPositions / scaling.highFrequencyFactor) return f;
      if (wavelength > scaling.originalPositions / scaling.lowFrequencyFactor) return f / scaling.factor;
      const smooth =
        (scaling.originalPositions / wavelength - scaling.lowFrequencyFactor) /
        (scaling.highFrequencyFactor - scaling.lowFrequencyFactor);
      return ((1 - smooth) * f) / scaling.factor + smooth * f;
    });
  return frequencies;
}

/** cos and sin of every angle: two tables [positions, headDim / 2]. */
export function ropeTables(frequencies: Float64Array, positions: number): RopeTables {
  const half = frequencies.length;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  // The reference implementations form the angle in float32 before taking its sine.
  const frequencies32 = Float32Array.from(frequencies);
  for (let p = 0; p < positions; p++)
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(p * frequencies32[i]!);
      cos[p * half + i] = Math.cos(angle);
      sin[p * half + i] = Math.sin(angle);
    }
  return { cos, sin, dims: [positions, half] };
}

export interface RopeTables {
  /** [positions, rope.dims / 2] */
  cos: Float32Array;
  sin: Float32Array;
  dims: [number, number];
}

/** The tables of a model's rotary settings, kept and grown by doubling. */
export class RopeTableStore {
  private readonly tables = new Map<Rope, RopeTables>();

  /** Tables of at least so many positions: the same object until more are asked for. */
  for(rope: Rope, positions: number): RopeTables {
    let found = this.tables.get(rope);
    if (!found || found.dims[0] < positions) {
      const count = Math.max(512, 2 ** Math.ceil(Math.log2(positions)));
      found = ropeTables(ropeFrequencies(rope.dims, rope.theta, rope.scaling), count);
      this.tables.set(rope, found);
    }
    return found;
  }
}
