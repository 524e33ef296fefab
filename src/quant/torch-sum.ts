/**
 * Sum of fp32 values in PyTorch's order of additions on one thread (ATen SumKernel.cpp: cascade sum over vectors of 8 lanes,
 * 4 vectors at a time, 4 levels), because an offset that differs in its last bit would change quantised bytes.
 */
export function torchSum(values: Float32Array): number {
  const LANES = 8;
  const WIDTH = 4 * LANES;
  const rows = Math.floor(values.length / WIDTH);
  const levelPower = Math.max(4, Math.floor(ceilLog2(rows) / 4));
  const step = 2 ** levelPower;
  const levels = Array.from({ length: 4 }, () => new Float32Array(WIDTH));
  const addRow = (row: number): void => {
    const lowest = levels[0]!;
    for (let k = 0; k < WIDTH; k++) lowest[k] = lowest[k]! + values[row * WIDTH + k]!;
  };
  let row = 0;
  while (row + step <= rows) {
    for (let j = 0; j < step; j++) addRow(row++);
    for (let level = 1; level < 4; level++) {
      const from = levels[level - 1]!;
      const to = levels[level]!;
      for (let k = 0; k < WIDTH; k++) to[k] = to[k]! + from[k]!;
      from.fill(0);
      if (Math.floor(row / 2 ** (level * levelPower)) % step) break;
    }
  }
  while (row < rows) addRow(row++);
  const total = levels[0]!;
  for (let level = 1; level < 4; level++) for (let k = 0; k < WIDTH; k++) total[k] = total[k]! + levels[level]![k]!;
  // Whole vectors that are left go to the first of the four, then the four are folded into it.
  const vectors = Math.floor(values.length / LANES);
  for (let v = rows * 4; v < vectors; v++) {
    for (let k = 0; k < LANES; k++) total[k] = total[k]! + values[v * LANES + k]!;
  }
  for (let v = 1; v < 4; v++) for (let k = 0; k < LANES; k++) total[k] = total[k]! + total[v * LANES + k]!;
  let sum = 0;
  for (let i = vectors * LANES; i < values.length; i++) sum = Math.fround(sum + values[i]!);
  for (let k = 0; k < LANES; k++) sum = Math.fround(sum + total[k]!);
  return sum;
}

function ceilLog2(n: number): number {
  let power = 0;
  while (2 ** power < n) power++;
  return power;
}
