export * from "./elementwise.js";
export * from "./products.js";
export * from "./reduce.js";
export * from "./shape-ops.js";
export * from "./transformer.js";
