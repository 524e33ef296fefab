export { differentiate } from "./differentiate.js";
export {
  type Attribute,
  bytesPerElement,
  type ConstantData,
  type DType,
  Graph,
  type Node,
  type NodeSpec,
  Value,
} from "./graph.js";
export { type LoweredModel, type LoweringOptions, toOnnx } from "./onnx/lower.js";
export * as ops from "./ops/index.js";
export { extract } from "./partition.js";
export { type Dim, elementCount, formatShape, type Shape } from "./shape.js";
