import * as Plot from "@observablehq/plot";
import type { Html } from "../html.js";
import { plotSvg } from "../plot-svg.js";
import { CHART_WIDTH, colourOf } from "./charts.js";
import { type ResultTable, styleOf } from "./figures.js";
import type { ReportArm, Score } from "./report-data.js";

const SUITE = "just_eval";
const HIGHEST = 5;
/** Where the aspects' names stand, in units of the scale. */
const NAMES_AT = 5.7;

export interface Radar {
  title: string;
  keys: { label: string; colour: string }[];
  hasPublished: boolean;
  chart: Html;
}

/**
 * The aspects of just-eval as a radar, one for each data set with the untuned arms in every one: measured figures drawn through,
 * published ones dotted.
 */
export function radarCharts({ columns, rows }: ResultTable, arms: readonly ReportArm[]): Radar[] {
  const aspects = columns
    .filter(({ suite, metric }) => suite === SUITE && metric !== "overall")
    .map(({ metric }) => metric);
  if (aspects.length < 3) return [];
  const scored = rows.flatMap(({ arm: name, scores }) =>
    arms
      .filter((arm) => arm.name === name)
      .map((arm) => ({ arm, scores: aspects.map((aspect) => scores.find((score) => isOf(score, aspect))) })),
  );
  const data = [...new Set(scored.flatMap(({ arm }) => arm.data ?? []))];
  const groups = data.length === 0 ? [undefined] : data;
  return groups.map((group) => {
    const shown = scored.filter(({ arm }) => arm.data === undefined || arm.data === group);
    const kinds = new Set(shown.map(({ arm }) => arm.kind));
    const lines = shown.map(({ arm, scores }, i) => ({
      label: arm.title,
      colour: kinds.size === shown.length ? colourOf(arm) : `var(--curve-${i % 5})`,
      scores,
    }));
    return {
      title: group ?? "aspects of just-eval",
      keys: lines.map(({ label, colour }) => ({ label, colour })),
      hasPublished: lines.some(({ scores }) => scores.some((score) => typeof score?.published?.value === "number")),
      chart: radar(aspects, lines),
    };
  });
}

const isOf = (score: Score | undefined, aspect: string): boolean => score?.suite === SUITE && score.metric === aspect;

function radar(
  aspects: readonly string[],
  lines: readonly { label: string; colour: string; scores: readonly (Score | undefined)[] }[],
): Html {
  const at = (place: number, radius: number): { x: number; y: number } => {
    const angle = (2 * Math.PI * place) / aspects.length;
    return { x: radius * Math.sin(angle), y: radius * Math.cos(angle) };
  };
  const rings = Array.from({ length: HIGHEST }, (_, ring) =>
    aspects.map((_, place) => between(at(place, ring + 1), at(place + 1, ring + 1))),
  ).flat();
  const spokes = aspects.map((_, place) => between({ x: 0, y: 0 }, at(place, HIGHEST)));
  const names = aspects.map((aspect, place) => ({ ...at(place, NAMES_AT), text: styleOf(aspect).label }));
  const anchored = (anchor: "start" | "middle" | "end") =>
    Plot.text(
      names.filter(({ x }) => anchor === (Math.abs(x) < 0.5 ? "middle" : x > 0 ? "start" : "end")),
      { x: "x", y: "y", text: "text", textAnchor: anchor, fill: "var(--ink)" },
    );
  /** Sides between neighbouring aspects that both have a value, so that a missing one leaves a gap. */
  const sides = (colour: string, values: readonly (number | undefined)[]) =>
    values.flatMap((value, place) => {
      const next = values[(place + 1) % values.length];
      if (value === undefined || next === undefined) return [];
      return [{ ...between(at(place, value), at(place + 1, next)), colour }];
    });
  const dots = (colour: string, values: readonly (number | undefined)[]) =>
    values.flatMap((value, place) => (value === undefined ? [] : [{ ...at(place, value), colour }]));
  const own = lines.map(({ colour, scores }) => ({ colour, values: scores.map((score) => score?.value ?? undefined) }));
  const published = lines.map(({ colour, scores }) => ({
    colour,
    values: scores.map((score) => score?.published?.value ?? undefined),
  }));
  const ends = { x1: "x1", y1: "y1", x2: "x2", y2: "y2" } as const;
  const words = lines.map(({ label, scores }) => {
    const values = scores.map((score, i) => {
      const given = typeof score?.published?.value === "number" ? ` (published ${score.published.value})` : "";
      return `${aspects[i]} ${score?.value?.toFixed(2) ?? "–"}${given}`;
    });
    return `${label}: ${values.join(", ")}`;
  });
  return plotSvg(
    {
      width: CHART_WIDTH,
      height: 256,
      margin: 8,
      // Room for names at both sides; one unit is as long in both directions.
      x: { axis: null, domain: [-9.4, 9.4] },
      y: { axis: null, domain: [-6.1, 6.3] },
      marks: [
        Plot.link([...rings, ...spokes], { ...ends, stroke: "var(--line)" }),
        Plot.link(
          published.flatMap(({ colour, values }) => sides(colour, values)),
          {
            ...ends,
            stroke: "colour",
            strokeWidth: 1.5,
            strokeDasharray: "2 3",
          },
        ),
        Plot.link(
          own.flatMap(({ colour, values }) => sides(colour, values)),
          {
            ...ends,
            stroke: "colour",
            strokeWidth: 2,
          },
        ),
        Plot.dot(
          published.flatMap(({ colour, values }) => dots(colour, values)),
          {
            x: "x",
            y: "y",
            stroke: "colour",
            symbol: "square",
            r: 3.5,
          },
        ),
        Plot.dot(
          own.flatMap(({ colour, values }) => dots(colour, values)),
          { x: "x", y: "y", fill: "colour", r: 3.5 },
        ),
        Plot.text(
          [1, 3, 5].map((ring) => ({ ...at(0, ring), text: String(ring) })),
          { x: "x", y: "y", text: "text", dx: 5, textAnchor: "start", fill: "var(--soft)", fontSize: 11 },
        ),
        anchored("start"),
        anchored("middle"),
        anchored("end"),
      ],
    },
    `${SUITE}, 1 to 5: ${words.join("; ")}.`,
  );
}

const between = (a: { x: number; y: number }, b: { x: number; y: number }) => ({ x1: a.x, y1: a.y, x2: b.x, y2: b.y });
