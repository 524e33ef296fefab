/** Tensors as ONNX Runtime takes them, over host memory or on a device. */
import { type DType, elementCount } from "../graph/index.js";
import { Tensor, type TypedArray } from "./onnxruntime.js";

export type { Tensor, TypedArray };

/** A tensor over host memory, without a copy. */
export function hostTensor(dtype: DType, data: TypedArray, dims: readonly number[]): Tensor {
  return new Tensor(dtype, data, dims);
}

/** Zeros in host memory, as a tensor. */
export function zeros(dims: readonly number[]): Tensor {
  return hostTensor("float32", new Float32Array(elementCount(dims)), dims);
}
