/** Tensors as ONNX Runtime takes them, over host memory or on a device. */
import * as ort from "onnxruntime-node";
import { type DType, elementCount } from "../graph/index.js";

export type Tensor = ort.Tensor;
export type TypedArray = Float32Array | BigInt64Array | Int32Array | Uint8Array | Int8Array | Uint16Array;

/** A tensor over host memory, without a copy. */
export function hostTensor(dtype: DType, data: TypedArray, dims: readonly number[]): Tensor {
  return new ort.Tensor(dtype as "float32", data as Float32Array, dims as number[]);
}

/** Zeros in host memory, as a tensor. */
export function zeros(dims: readonly number[]): Tensor {
  return hostTensor("float32", new Float32Array(elementCount(dims)), dims);
}
