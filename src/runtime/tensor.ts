/** Tensors as ONNX Runtime takes them, over host memory or on a device. */
import { type DType, elementCount } from "../graph/index.js";
import { Tensor } from "./onnxruntime.js";

export type { Tensor };
export type TypedArray = Float32Array | BigInt64Array | Int32Array | Uint8Array | Int8Array | Uint16Array;

/** A tensor over host memory, without a copy. */
export function hostTensor(dtype: DType, data: TypedArray, dims: readonly number[]): Tensor {
  return new Tensor(dtype as "float32", data as Float32Array, dims as number[]);
}

/** Zeros in host memory, as a tensor. */
export function zeros(dims: readonly number[]): Tensor {
  return hostTensor("float32", new Float32Array(elementCount(dims)), dims);
}
