import { createHash } from "node:crypto";
import { MASK_WASM } from "./simd/mask-wasm.js";

/** Where the generators' state ends and the mask begins. */
const STATE = 64;
/** Values made at a time: they stay in the processor's cache until they are copied out. */
const CHUNK = 32768;
/** Values of one round of the loop. */
const ROUND = 16;

let filler: { memory: Uint8Array; fill: (out: number, rounds: number, threshold: number) => void } | undefined;

function load(): NonNullable<typeof filler> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const module = new WebAssembly.Module(Buffer.from(MASK_WASM, "base64"));
  const { fill } = new WebAssembly.Instance(module, { evoke: { memory } }).exports;
  return { memory: new Uint8Array(memory.buffer), fill: fill as NonNullable<typeof filler>["fill"] };
}

/**
 * Fills `out` with ones, and with zeros with the given probability (to within 2⁻¹⁷, at most 1 − 2⁻¹⁶). A training step with
 * dropout draws hundreds of millions of these, so the generators run in WebAssembly SIMD.
 * @param key names the stream, as `Random`'s does: the same key gives the same mask.
 */
export function fillMask(out: Uint8Array, zeroProbability: number, key: readonly (string | number)[]): void {
  const { memory, fill } = (filler ??= load());
  const state = createHash("sha512").update(JSON.stringify(key)).digest();
  // Never a state of zeros only, which would stay that way.
  for (let lane = 0; lane < 4; lane++) state[48 + 4 * lane]! |= 1;
  memory.set(state, 0);
  const threshold = Math.min(0xffff, Math.round(zeroProbability * 0x10000));
  for (let at = 0; at < out.length; at += CHUNK) {
    const count = Math.min(CHUNK, out.length - at);
    fill(STATE, Math.ceil(count / ROUND), threshold);
    out.set(memory.subarray(STATE, STATE + count), at);
  }
}
