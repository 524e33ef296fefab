import * as Plot from "@observablehq/plot";
import type { Html } from "../html.js";
import { plotSvg } from "../plot-svg.js";
import { CHART_WIDTH, colourOf } from "./charts.js";
import { type Column, publishedText, type ResultTable, styleOf, withError } from "./figures.js";
import type { ReportArm, Score } from "./report-data.js";

/** Arms that differ in one number of the sweep alone: a line of a chart. */
export interface SweepSeries {
  label: string;
  colour: string;
  arms: { arm: ReportArm; x: number }[];
}

export interface SweepLines {
  /** The sweep's name, which the axis bears. */
  over: string;
  series: SweepSeries[];
}

const KIND_NAMES = { untuned: "untuned", "in-context": "in context", it: "IT", rt: "RT", text: "text" } as const;

/** The lines that a table's arms form over a number that the experiment sweeps; undefined where they form none. */
export function sweepLines({ rows }: ResultTable, arms: readonly ReportArm[]): SweepLines | undefined {
  const own = rows.flatMap(({ arm }) => arms.filter(({ name }) => name === arm));
  const over = Object.keys(own[0]?.swept ?? {}).find((name) => {
    const values = own.map(({ swept }) => swept?.[name]);
    return values.every((value) => typeof value === "number") && new Set(values).size > 2;
  });
  if (over === undefined) return undefined;
  const series = new Map<string, SweepSeries>();
  for (const arm of own) {
    const { [over]: x, ...others } = arm.swept!;
    const label = [KIND_NAMES[arm.kind], ...Object.values(others).map(String)].join(", ");
    const entry = series.get(label) ?? { label, colour: colourOf(arm), arms: [] };
    series.set(label, entry);
    entry.arms.push({ arm, x: x as number });
  }
  const isCoveredBySeries = [...series.values()].every((each) => each.arms.length > 1);
  if (!isCoveredBySeries) return undefined;
  const lines = [...series.values()];
  for (const each of lines) each.arms.sort((a, b) => a.x - b.x);
  const colours = new Set(lines.map(({ colour }) => colour));
  if (colours.size < lines.length) for (const [i, each] of lines.entries()) each.colour = `var(--curve-${i % 5})`;
  return { over, series: lines };
}

/** A metric over the swept number: a line for each series with errors, the published figures dotted with hollow squares. */
export function sweepChart(column: Column, scores: readonly Score[], { over, series }: SweepLines): Html | undefined {
  const style = styleOf(column.metric);
  const points = series.flatMap(({ label, colour, arms }) =>
    arms.flatMap(({ arm, x }) => {
      const score = scores.find((each) => each.arm === arm.name);
      if (!score) return [];
      const shown = (value: number | null | undefined): number | undefined =>
        typeof value === "number" ? value * style.scale : undefined;
      const value = shown(score.value);
      const error = shown(score.stderr) ?? 0;
      const ends = value === undefined ? {} : { low: value - error, high: value + error };
      return [{ label, colour, x, score, value, ...ends, published: shown(score.published?.value) }];
    }),
  );
  const own = points.filter(({ value }) => value !== undefined);
  const published = points.filter(({ published: value }) => value !== undefined);
  if (own.length + published.length === 0) return undefined;
  const ticks = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const words = points.map(({ label, x, score }) => {
    const given = score.published === undefined ? "" : ` (published ${publishedText(score)})`;
    return `${label} at ${x}: ${withError(score)}${given}`;
  });
  return plotSvg(
    {
      width: CHART_WIDTH,
      height: 250,
      marginLeft: 46,
      marginRight: 18,
      marginTop: 26,
      marginBottom: 44,
      x: { label: over, labelArrow: "none", labelAnchor: "center", ticks: shownTicks(ticks), tickFormat: String },
      y: {
        label: style.label,
        labelArrow: "none",
        grid: true,
        ticks: 5,
        ...(style.unit === "percent" ? { domain: [0, 100], clamp: true } : { nice: true }),
      },
      marks: [
        Plot.line(published, {
          x: "x",
          y: "published",
          z: "label",
          stroke: "colour",
          strokeWidth: 1.5,
          strokeDasharray: "2 3",
        }),
        Plot.line(own, { x: "x", y: "value", z: "label", stroke: "colour", strokeWidth: 2 }),
        Plot.link(own, { x1: "x", x2: "x", y1: "low", y2: "high", stroke: "colour", strokeWidth: 1.5 }),
        Plot.dot(own, { x: "x", y: "value", fill: "colour", r: 4 }),
        Plot.dot(published, { x: "x", y: "published", stroke: "colour", symbol: "square", r: 4, strokeWidth: 1.5 }),
      ],
    },
    `${column.suite}, ${style.label}, over ${over}: ${words.join("; ")}.`,
  );
}

/** Values that are written at the axis: those too near the one before are left out. */
function shownTicks(ticks: readonly number[]): number[] {
  const least = (ticks.at(-1)! - ticks[0]!) / 12;
  return ticks.filter((tick, i) => i === 0 || tick - ticks[i - 1]! >= least);
}
