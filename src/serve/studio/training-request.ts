/** Checks what a page asks to be trained. */
import { z } from "zod";
import { HttpError } from "../http-error.js";
import type { TrainingRequest } from "./wire.js";

const count = (most: number) => z.int().min(1).max(most);

const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "letters, digits, dots, dashes and underscores, 64 at most"),
  recipe: z.string().max(1024).optional(),
  model: z.string().max(1024).optional(),
  data: z.string().max(1024).optional(),
  // Only these: a path among the settings would lead out of the folders.
  settings: z
    .strictObject({
      mode: z.enum(["it", "rt"]),
      method: z.enum(["qlora", "lora", "full"]),
      epochs: z.number().positive().max(10_000),
      max_steps: count(10_000_000),
      "optimizer.lr": z.number().positive().max(10),
      "lora.r": count(4096),
      "batch.micro": count(4096),
      "batch.accumulation": count(4096),
      max_length: z.int().min(2).max(1_000_000),
      seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
    })
    .partial()
    .default({}),
});

/** @throws HttpError 400 naming the field. */
export function readTrainingRequest(body: unknown): TrainingRequest {
  const { name, recipe, model, data, settings } = check(schema, body);
  if (recipe !== undefined && model === undefined && data === undefined) return { name, recipe, settings };
  if (recipe === undefined && model !== undefined && data !== undefined) return { name, model, data, settings };
  throw new HttpError(400, "give either a recipe, or a model and a data file");
}

/** A body in the form of a schema. @throws HttpError 400 naming the first field that is wrong. */
export function check<T>(form: z.ZodType<T>, body: unknown): T {
  const parsed = form.safeParse(body);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new HttpError(400, path.length === 0 ? message : `${path.join(".")}: ${message}`);
}
