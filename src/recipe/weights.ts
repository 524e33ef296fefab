import { z } from "zod";

/** How a local model holds its weights while it writes; float32 keeps their own precision. */
export const weightsSchema = z.enum(["float32", "int8", "int4"]);
