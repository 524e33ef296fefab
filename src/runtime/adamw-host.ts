/**
 * AdamW on host memory: one pass over each tensor, in place. The graph form (adamw-graph.ts) reads and writes memory some
 * ten times for each parameter; here each value is touched once. Arithmetic in float64, rounded when stored.
 */
import type { AdamWOptions, StepSizes } from "./adamw.js";

/** Σ g². */
export function squaredNormOnHost(gradient: Float32Array): number {
  // Four sums, as one addition need not wait for the one before.
  const whole = gradient.length - (gradient.length % 4);
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < whole; i += 4) {
    a += gradient[i]! * gradient[i]!;
    b += gradient[i + 1]! * gradient[i + 1]!;
    c += gradient[i + 2]! * gradient[i + 2]!;
    d += gradient[i + 3]! * gradient[i + 3]!;
  }
  for (let i = whole; i < gradient.length; i++) a += gradient[i]! * gradient[i]!;
  return a + b + (c + d);
}

/** Updates `value` and its moments from `gradient`; the four have one length. `decays`: weight decay applies. */
export function updateOnHost(
  { value, gradient, m, v }: Record<"value" | "gradient" | "m" | "v", Float32Array>,
  decays: boolean,
  { betas, epsilon, weightDecay }: AdamWOptions,
  { learningRate, gradientScale, step }: StepSizes,
): void {
  const [beta1, beta2] = betas;
  const rest1 = (1 - beta1) * gradientScale;
  const rest2 = (1 - beta2) * gradientScale * gradientScale;
  const rate = learningRate / (1 - beta1 ** step);
  const correction2 = 1 / (1 - beta2 ** step);
  const keep = decays ? 1 - learningRate * weightDecay : 1;
  for (let i = 0; i < value.length; i++) {
    const g = gradient[i]!;
    const first = beta1 * m[i]! + rest1 * g;
    const second = beta2 * v[i]! + rest2 * g * g;
    m[i] = first;
    v[i] = second;
    value[i] = keep * value[i]! - (rate * first) / (Math.sqrt(second * correction2) + epsilon);
  }
}
