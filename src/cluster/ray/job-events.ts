/** What the job tells by its output: lines `evoke: {…}`, among others that are for people. */
import { z } from "zod";

const count = z.int().min(0);
const number = z.number();
/** A file of a result. */
export const fileSchema = z.object({ name: z.string().regex(/^[\w][\w.-]*$/), size: count, sha256: z.string() });

const eventSchema = z.discriminatedUnion("event", [
  /** The program begins. Ray keeps the output of an earlier attempt in front of a new one's. */
  z.object({ event: z.literal("begin") }),
  /** The workers begin, `after` a step: 0, or that of the checkpoint they go on from. */
  z.object({
    event: z.literal("start"),
    after: count,
    workers: count,
    device: z.string(),
    precision: z.string(),
    versions: z.record(z.string(), z.string()),
  }),
  z.object({
    event: z.literal("step"),
    step: count,
    loss: number,
    lr: number,
    grad_norm: number,
    rss_bytes: number,
    seconds: z.number().positive(),
    validation_loss: number.optional(),
  }),
  z.object({ event: z.literal("checkpoint"), step: count }),
  /** A piece of a file of the result, base64. */
  z.object({ event: z.literal("file"), name: z.string(), at: count, data: z.string() }),
  z.object({ event: z.literal("result"), kind: z.enum(["adapter", "model"]), files: z.array(fileSchema) }),
  z.object({ event: z.literal("done"), step: count, best_step: count.nullable() }),
  z.object({ event: z.literal("error"), message: z.string() }),
]);

export type JobEvent = z.output<typeof eventSchema>;
export type ResultFile = z.output<typeof fileSchema>;

const MARK = "evoke: ";

/** The event in a line of the job's output, if it holds one. */
export function parseJobLine(line: string): JobEvent | undefined {
  if (!line.startsWith(MARK)) return undefined;
  try {
    const parsed = eventSchema.safeParse(JSON.parse(line.slice(MARK.length)));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** The number that ends each message to evoke: the microsecond at which the job began, counted on by one. */
export function lineNumber(line: string): number | undefined {
  const found = line.startsWith(MARK) && /"n": ?(\d+)\}$/.exec(line);
  return found ? Number(found[1]) : undefined;
}
