/** Importing this file registers the derivative of every differentiable operation. */
import "./elementwise.js";
import "./reduce.js";
import "./shape-ops.js";
import "./products.js";
import "./transformer.js";

export { differentiableOperations, vjpOf } from "./vjp.js";
