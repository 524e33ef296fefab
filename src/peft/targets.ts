/** Which modules a PEFT configuration adapts, with what rank and scale: PEFT's own rules, module by module. */
import { FailureError, UsageError } from "../errors.js";
import type { AdapterShape, LinearAdapter, PeftSettings } from "../model/adapter.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { type LinearName, linearNames } from "../model/decoder-layer.js";

/** What a recipe says of an adapter. */
export interface AdapterSettings {
  r: number;
  alpha: number;
  dropout: number;
  /** `all-linear`, or names such as `q_proj` or `self_attn.q_proj`. */
  target_modules: "all-linear" | readonly string[];
  use_rslora?: boolean;
  use_dora?: boolean;
}

/** Full name of a linear layer, as transformers' modules are named. */
export const moduleName = (blocks: string, layer: number, name: LinearName): string => `${blocks}.${layer}.${name}`;

const lastPart = (name: LinearName): string => name.slice(name.indexOf(".") + 1);

/** The adapted layers of a recipe as PEFT names them: `q_proj`, not `self_attn.q_proj`. @throws UsageError for unknown names. */
export function targetNames(
  config: DecoderConfig,
  { target_modules }: Pick<AdapterSettings, "target_modules">,
): string[] {
  const known = linearNames(config);
  const wanted = target_modules === "all-linear" ? known : target_modules;
  const found = wanted.map((name) => known.find((layer) => layer === name || layer.endsWith(`.${name}`)));
  const names = (some: readonly LinearName[]): string[] => [...new Set(some.map(lastPart))];
  if (found.includes(undefined))
    throw new UsageError(
      `lora.target_modules: unknown layer in ${JSON.stringify(target_modules)}; use all-linear or some of ${names(known).join(", ")}`,
    );
  return names(known.filter((name) => found.includes(name)));
}

/** A recipe's adapter in PEFT's words. */
export function peftSettings(config: DecoderConfig, settings: AdapterSettings): PeftSettings {
  return {
    r: settings.r,
    lora_alpha: settings.alpha,
    target_modules: targetNames(config, settings),
    exclude_modules: null,
    use_rslora: settings.use_rslora ?? false,
    use_dora: settings.use_dora ?? false,
    rank_pattern: {},
    alpha_pattern: {},
    layers_to_transform: null,
    layers_pattern: null,
  };
}

/** The shape of a recipe's adapter on a model. @throws UsageError when a name of `target_modules` is unknown. */
export const adapterShape = (config: DecoderConfig, settings: AdapterSettings): AdapterShape =>
  shapeOf(config, peftSettings(config, settings), settings.dropout);

/**
 * The shape that PEFT gives an adapter with these settings on a model.
 * @param source names the settings in errors.
 * @throws UsageError when they select nothing or hold a pattern that cannot be read.
 */
export function shapeOf(config: DecoderConfig, settings: PeftSettings, dropout: number, source = "lora"): AdapterShape {
  const selects = selector(settings, source);
  const rankOf = patternValue(settings.rank_pattern, settings.r, `${source}: rank_pattern`);
  const alphaOf = patternValue(settings.alpha_pattern, settings.lora_alpha, `${source}: alpha_pattern`);
  const layers = Array.from({ length: config.layers }, (_, layer) => {
    const adapted = new Map<LinearName, LinearAdapter>();
    for (const name of linearNames(config)) {
      const module = moduleName(config.names.blocks, layer, name);
      if (!selects(module)) continue;
      const rank = rankOf(module);
      if (!Number.isInteger(rank) || rank < 1)
        throw new FailureError(`${source}: rank ${rank} of ${module} must be a whole number above 0`);
      adapted.set(name, { rank, scaling: alphaOf(module) / (settings.use_rslora ? Math.sqrt(rank) : rank) });
    }
    return adapted;
  });
  if (layers.every((layer) => layer.size === 0))
    throw new UsageError(`${source}: target_modules ${JSON.stringify(settings.target_modules)} selects no layer`);
  return { blocks: config.names.blocks, layers, dropout, dora: settings.use_dora, settings };
}

/** PEFT's `check_target_module_exists`. */
function selector(settings: PeftSettings, source: string): (module: string) => boolean {
  const { layers_to_transform, layers_pattern } = settings;
  const excluded = settings.exclude_modules?.length
    ? matcher(settings.exclude_modules, `${source}: exclude_modules`)
    : () => false;
  const target = settings.target_modules;
  const targeted = target === "all-linear" ? () => true : matcher(target, `${source}: target_modules`);
  const chosen = layers_to_transform === null ? [] : [layers_to_transform].flat();
  const patterns = (layers_pattern === null ? [] : [layers_pattern].flat()).filter((pattern) => pattern !== "");
  const numbers = (patterns.length ? patterns : [null]).map((pattern) =>
    pythonPattern(
      pattern === null ? "^.*?\\.[^.]*\\.(\\d+)\\." : `^(?:|.*?\\.)(?:${pattern})\\.(\\d+)\\.`,
      `${source}: layers_pattern`,
    ),
  );
  return (module) => {
    if (excluded(module) || !targeted(module)) return false;
    // PEFT looks at the numbers of layers only where modules are named one by one.
    if (chosen.length === 0 || typeof target === "string") return true;
    const number = numbers
      .map((pattern) => pattern.exec(module))
      .find((match) => match !== null)
      ?.at(-1);
    return number !== undefined && chosen.includes(Number(number));
  };
}

/** A list of names, each whole or the end of a name, or a regular expression for the whole name. */
function matcher(names: readonly string[] | string, where: string): (module: string) => boolean {
  if (typeof names === "string") {
    const pattern = pythonPattern(`^(?:${names})$`, where);
    return (module) => pattern.test(module);
  }
  return (module) => names.some((name) => module === name || module.endsWith(`.${name}`));
}

/** PEFT's `get_pattern_key`: the first pattern that matches the end of a module's name decides. */
function patternValue(
  patterns: Readonly<Record<string, number>>,
  otherwise: number,
  where: string,
): (module: string) => number {
  const compiled = Object.entries(patterns).map(
    ([key, value]) => [pythonPattern(`^(?:.*\\.)?(?:${key})$`, where), value] as const,
  );
  return (module) => compiled.find(([pattern]) => pattern.test(module))?.[1] ?? otherwise;
}

/** Python writes named groups otherwise; what JavaScript reads differently or not at all is refused. */
function pythonPattern(source: string, where: string): RegExp {
  const refused = (): UsageError =>
    new UsageError(`${where}: the regular expression ${JSON.stringify(source)} cannot be read here; name the modules`);
  if (/\(\?P[=>]|\(\?[aiLmsux#(]|\\[AZ]|[*+?}]\+/.test(source)) throw refused();
  try {
    return new RegExp(source.replaceAll("(?P<", "(?<"));
  } catch {
    throw refused();
  }
}
