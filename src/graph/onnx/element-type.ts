import type { DType } from "../graph.js";

/** Element types by ONNX's numbers (TensorProto.DataType). */
export const ELEMENT_TYPE: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  uint32: 12,
};
