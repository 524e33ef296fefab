/** Rotary settings as config.json gives them. */
import type { ConfigFields } from "./config-fields.js";
import type { Rope } from "./rope.js";

type Fields = Readonly<Record<string, unknown>>;

/** `rope_scaling`, or the newer `rope_parameters`, which holds the base as well; nothing where neither is given. */
export function ropeFields(c: ConfigFields): Fields {
  const [scaling, parameters] = [object(c.raw("rope_scaling")), object(c.raw("rope_parameters"))];
  return scaling ?? parameters ?? {};
}

const object = (value: unknown): Fields | undefined =>
  typeof value === "object" && value !== null ? (value as Fields) : undefined;

/** What `rope_parameters` says of layers of one type (`full_attention`, `sliding_attention`). */
export function ropeFieldsOf(c: ConfigFields, layerType: string): Fields {
  return object(object(c.raw("rope_parameters"))?.[layerType]) ?? {};
}

/**
 * @param theta the base where `fields` has none; default `rope_theta`, then 10,000.
 * @param part share of a head that is rotated, where `fields` does not say; default `partial_rotary_factor`, then all.
 */
export function ropeOf(
  c: ConfigFields,
  headDim: number,
  fields: Fields,
  theta = c.number("rope_theta", 10_000),
  part = c.number("partial_rotary_factor", 1),
): Rope {
  const own = fields.rope_theta;
  const share = typeof fields.partial_rotary_factor === "number" ? fields.partial_rotary_factor : part;
  const dims = Math.floor(headDim * share);
  if (!(share > 0 && share <= 1) || dims < 2 || dims % 2)
    c.fail(`partial_rotary_factor ${share} of heads of ${headDim} does not give an even number of rotated dimensions`);
  const base = typeof own === "number" ? own : theta;
  return { dims, theta: base, ...scalingOf(c, fields, dims) };
}

const KNOWN = new Set(["rope_type", "type", "rope_theta", "partial_rotary_factor"]);

const isLong = (type: string): boolean => type === "longrope" || type === "su";

function originalPositions(c: ConfigFields, fields: Fields): number {
  // Phi-3 has it outside, where it counts more.
  if (c.has("original_max_position_embeddings")) return c.size("original_max_position_embeddings");
  const own = fields.original_max_position_embeddings;
  return typeof own === "number" && own >= 1 ? own : c.size("max_position_embeddings", 2048);
}

function scalingOf(c: ConfigFields, fields: Fields, dims: number): Pick<Rope, "scaling" | "magnitude" | "limit"> {
  const type = String(fields.rope_type ?? fields.type ?? "default");
  const read = new Set(KNOWN);
  const optional = (name: string): number | undefined => {
    read.add(name);
    const value = fields[name] ?? undefined;
    if (value !== undefined && typeof value !== "number") c.fail(`rope_scaling.${name} must be a number`);
    return value as number | undefined;
  };
  const number = (name: string): number => optional(name) ?? c.fail(`rope_scaling.${name} must be a number`);
  read.add("original_max_position_embeddings");
  const result = ((): Pick<Rope, "scaling" | "magnitude" | "limit"> => {
    if (type === "default") return {};
    if (type === "linear") return { scaling: { type, factor: number("factor") } };
    if (type === "dynamic") {
      number("factor");
      return { limit: c.size("max_position_embeddings", 2048) };
    }
    if (type === "llama3")
      return {
        scaling: {
          type,
          factor: number("factor"),
          lowFrequencyFactor: number("low_freq_factor"),
          highFrequencyFactor: number("high_freq_factor"),
          originalPositions: originalPositions(c, fields),
        },
      };
    if (type === "yarn") {
      const original = originalPositions(c, fields);
      const factor = optional("factor") ?? c.size("max_position_embeddings") / original;
      const grown = (of: number): number => (factor <= 1 ? 1 : 0.1 * of * Math.log(factor) + 1);
      const [of, ofAll] = [optional("mscale"), optional("mscale_all_dim")];
      const usual = of && ofAll ? grown(of) / grown(ofAll) : grown(1);
      read.add("truncate");
      return {
        scaling: {
          type,
          factor,
          originalPositions: original,
          fastTurns: optional("beta_fast") || 32,
          slowTurns: optional("beta_slow") || 1,
          truncate: fields.truncate !== false,
        },
        magnitude: optional("attention_factor") ?? usual,
      };
    }
    if (isLong(type)) {
      read.add("long_factor").add("short_factor");
      const factors = fields.short_factor;
      if (
        !Array.isArray(factors) ||
        factors.length !== dims / 2 ||
        factors.some((f) => !(typeof f === "number" && f > 0))
      )
        return c.fail(`rope_scaling.short_factor must list ${dims / 2} numbers above 0`);
      const original = originalPositions(c, fields);
      const factor = optional("factor") ?? c.size("max_position_embeddings") / original;
      const usual = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
      return {
        scaling: { type: "factors", factors },
        magnitude: optional("attention_factor") ?? usual,
        limit: original,
      };
    }
    return c.fail(`rope scaling "${type}" is not supported (default, linear, dynamic, llama3, yarn and longrope are)`);
  })();
  const unknown = Object.entries(fields).find(([name, value]) => value !== null && !read.has(name));
  if (unknown && type !== "default") c.fail(`rope_scaling.${unknown[0]} is not known for the type ${type}`);
  return result;
}
