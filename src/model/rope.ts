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
    }
  | {
      /** YaRN (Peng et al. 2023): as Llama 3's, with the ramp over dimensions instead of wavelengths. */
      type: "yarn";
      factor: number;
      originalPositions: number;
      /** Turns over the original length from which a dimension is kept, and below which it is slowed. */
      fastTurns: number;
      slowTurns: number;
      /** Whether the ramp begins and ends at whole dimensions. */
      truncate: boolean;
    }
  | {
      /** A factor for each pair of dimensions (LongRoPE's for texts of the original length). */
      type: "factors";
      factors: readonly number[];
    }
  /** No rotation: every angle is 0. */
  | { type: "none" };

/** Rotary positions of a kind of layer. */
export interface Rope {
  /** Numbers of a head that are rotated, the first ones. */
  dims: number;
  theta: number;
  scaling?: RopeScaling;
  /** Factor of what is rotated (YaRN, LongRoPE); default 1. */
  magnitude?: number;
  /** Positions of the longest text that these settings hold for; longer ones would be rotated otherwise. Undefined: any. */
  limit?: number;
}

/** Layers without rotary positions. */
export const NO_ROPE = (headDim: number): Rope => ({ dims: headDim, theta: 1, scaling: { type: "none" } });

/** Angle per position of each pair of rotated numbers: dims / 2 of them. */
export function ropeFrequencies(dims: number, theta: number, scaling?: RopeScaling): Float64Array {
  const frequencies = Float64Array.from({ length: dims / 2 }, (_, i) => theta ** ((-2 * i) / dims));
  switch (scaling?.type) {
    case undefined:
      return frequencies;
    case "none":
      return frequencies.fill(0);
    case "linear":
      return frequencies.map((f) => f / scaling.factor);
    case "factors":
      return frequencies.map((f, i) => f / scaling.factors[i]!);
    case "llama3":
      return frequencies.map((f) => {
        const wavelength = (2 * Math.PI) / f;
        if (wavelength < scaling.originalPositions / scaling.highFrequencyFactor) return f;
        if (wavelength > scaling.originalPositions / scaling.lowFrequencyFactor) return f / scaling.factor;
        const smooth =
          (scaling.originalPositions / wavelength - scaling.lowFrequencyFactor) /
          (scaling.highFrequencyFactor - scaling.lowFrequencyFactor);
        return ((1 - smooth) * f) / scaling.factor + smooth * f;
      });
    case "yarn": {
      const at = (turns: number): number =>
        (dims * Math.log(scaling.originalPositions / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
      const [from, to] = [at(scaling.fastTurns), at(scaling.slowTurns)];
      const low = Math.max(scaling.truncate ? Math.floor(from) : from, 0);
      const high = Math.min(scaling.truncate ? Math.ceil(to) : to, dims - 1);
      const width = high === low ? 0.001 : high - low;
      return frequencies.map((f, i) => {
        const slowed = Math.min(1, Math.max(0, (i - low) / width));
        return (slowed * f) / scaling.factor + (1 - slowed) * f;
      });
    }
  }
}

/** cos and sin of every angle, times `magnitude`: two tables [positions, frequencies]. */
export function ropeTables(frequencies: Float64Array, positions: number, magnitude = 1): RopeTables {
  const half = frequencies.length;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  // The reference implementations form the angle in float32 before taking its sine.
  const frequencies32 = Float32Array.from(frequencies);
  for (let p = 0; p < positions; p++)
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(p * frequencies32[i]!);
      cos[p * half + i] = Math.cos(angle) * magnitude;
      sin[p * half + i] = Math.sin(angle) * magnitude;
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
      found = ropeTables(ropeFrequencies(rope.dims, rope.theta, rope.scaling), count, rope.magnitude);
      this.tables.set(rope, found);
    }
    return found;
  }
}
