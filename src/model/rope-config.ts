/** Rotary settings as config.json gives them. */
import type { ConfigFields } from "./config-fields.js";
import type { Rope, RopeScaling } from "./rope.js";

type Fields = Readonly<Record<string, unknown>>;

/** `rope_scaling`, or the newer `rope_parameters`, which holds the base as well; nothing where neither is given. */
export function ropeFields(c: ConfigFields): Fields {
  return object(c.raw("rope_scaling")) ?? object(c.raw("rope_parameters")) ?? {};
}

const object = (value: unknown): Fields | undefined =>
  typeof value === "object" && value !== null ? (value as Fields) : undefined;

/** What `rope_parameters` says of layers of one type (`full_attention`, `sliding_attention`). */
export function ropeFieldsOf(c: ConfigFields, layerType: string): Fields {
  return object(object(c.raw("rope_parameters"))?.[layerType]) ?? {};
}

/**
 * @param dims numbers of a head that are rotated.
 * @param theta the base where `fields` has none; default `rope_theta`, then 10,000.
 */
export function ropeOf(c: ConfigFields, dims: number, fields: Fields, theta = c.number("rope_theta", 10_000)): Rope {
  const own = fields.rope_theta;
  const scaling = scalingOf(c, fields);
  return { dims, theta: typeof own === "number" ? own : theta, ...(scaling ? { scaling } : {}) };
}

function scalingOf(c: ConfigFields, fields: Fields): RopeScaling | undefined {
  const type = String(fields.rope_type ?? fields.type ?? "default");
  const number = (name: string): number =>
    typeof fields[name] === "number" ? (fields[name] as number) : c.fail(`rope_scaling.${name} must be a number`);
  if (type === "default") return undefined;
  if (type === "linear") return { type, factor: number("factor") };
  if (type === "llama3")
    return {
      type,
      factor: number("factor"),
      lowFrequencyFactor: number("low_freq_factor"),
      highFrequencyFactor: number("high_freq_factor"),
      originalPositions: number("original_max_position_embeddings"),
    };
  return c.fail(`rope scaling "${type}" is not supported (default, linear and llama3 are)`);
}
