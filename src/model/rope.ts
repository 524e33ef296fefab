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

/** Angle per position of each pair of a head's dimensions: headDim / 2 numbers. */
export function ropeFrequencies(headDim: number, theta: number, scaling?: RopeScaling): Float64Array {
  const frequencies = Float64Array.from({ length: headDim / 2 }, (_, i) => theta ** ((-2 * i) / headDim));
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
export function ropeTables(
  frequencies: Float64Array,
  positions: number,
): { cos: Float32Array; sin: Float32Array; dims: [number, number] } {
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
