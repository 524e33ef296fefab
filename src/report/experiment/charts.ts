import * as Plot from "@observablehq/plot";
import type { Html } from "../html.js";
import { plotSvg } from "../plot-svg.js";
import { type Column, type MetricStyle, publishedText, styleOf, withError } from "./figures.js";
import type { AnswerLengths, ApplicationScore, DataFigures, LossCurve, ReportArm, Score } from "./report-data.js";

/** Colours by what was done to the model: the same in every chart. */
const KIND_COLOUR: Readonly<Record<ReportArm["kind"], string>> = {
  untuned: "var(--soft)",
  "in-context": "var(--curve-2)",
  it: "var(--curve-0)",
  rt: "var(--curve-1)",
  text: "var(--curve-3)",
};

export const colourOf = (arm: ReportArm | undefined): string => (arm ? KIND_COLOUR[arm.kind] : "var(--ink)");

/** Width of a chart beside others, in pixels where it is not scaled. */
export const CHART_WIDTH = 380;
const ROW = 26;
const LONGEST_NAME = 22;

/** A name that fits beside an axis. */
export const shortName = (name: string): string =>
  name.length <= LONGEST_NAME ? name : `${name.slice(0, LONGEST_NAME - 1)}…`;

/** Room for the longest of some names beside an axis. */
export const marginFor = (names: readonly string[]): number =>
  Math.min(170, 14 + 7.2 * Math.max(0, ...names.map((name) => shortName(name).length)));

const X_LABEL = { labelArrow: "none", labelAnchor: "center", labelOffset: 36 } as const;

/** From the lowest to the highest mark with some air, and wide enough that noise does not look like a difference. */
function domainOf(
  rows: readonly { low?: number; high?: number; published?: number }[],
  { unit, decimals }: MetricStyle,
): [number, number] {
  const marks = rows.flatMap(({ low, high, published }) => [low, high, published].filter((mark) => mark !== undefined));
  let [low, high] = [Math.min(...marks), Math.max(...marks)];
  const least = unit !== "score" ? 10 : decimals > 2 ? 0.02 : 0.5;
  const air = Math.max(0.06 * (high - low), (least - (high - low)) / 2);
  [low, high] = [low - air, high + air];
  return unit === "percent" ? [Math.max(0, low), Math.min(100, high)] : [Math.min(low, Math.max(0, low)), high];
}

/** A metric of all arms: dots with one standard error to each side, the published figures as hollow squares. */
export function scoreChart(column: Column, scores: readonly Score[], arms: readonly ReportArm[]): Html | undefined {
  const style = styleOf(column.metric);
  const rows = arms.flatMap((arm) => {
    const score = scores.find((each) => each.arm === arm.name);
    const [value, published] = [score?.value, score?.published?.value].map((each) =>
      typeof each === "number" ? each * style.scale : undefined,
    );
    if (value === undefined && published === undefined) return [];
    const error = (score?.stderr ?? 0) * style.scale;
    const ends = value === undefined ? {} : { value, low: value - error, high: value + error };
    return [{ name: shortName(arm.title), colour: colourOf(arm), ...ends, published }];
  });
  if (rows.length === 0) return undefined;
  const label = `${column.suite}, ${style.label}: ${arms
    .flatMap((arm) => {
      const score = scores.find((each) => each.arm === arm.name);
      if (!score) return [];
      const published = score.published === undefined ? "" : ` (published ${publishedText(score)})`;
      return [`${arm.title} ${withError(score)}${published}`];
    })
    .join("; ")}.`;
  const neutral =
    style.neutral === undefined ? [] : [Plot.ruleX([style.neutral], { stroke: "var(--soft)", strokeDasharray: "2 3" })];
  return plotSvg(
    {
      width: CHART_WIDTH,
      height: 62 + ROW * rows.length,
      marginLeft: marginFor(rows.map(({ name }) => name)),
      marginRight: 18,
      marginTop: 8,
      marginBottom: 44,
      x: { label: style.label, ...X_LABEL, grid: true, ticks: 5, domain: domainOf(rows, style) },
      y: { label: null, domain: rows.map(({ name }) => name), tickSize: 0 },
      marks: [
        ...neutral,
        Plot.link(rows, { x1: "low", x2: "high", y1: "name", y2: "name", stroke: "colour", strokeWidth: 2 }),
        Plot.dot(rows, { x: "value", y: "name", fill: "colour", r: 4.5 }),
        Plot.dot(
          rows.filter(({ published }) => published !== undefined),
          { x: "published", y: "name", symbol: "square", stroke: "var(--ink)", r: 4.5, strokeWidth: 1.5 },
        ),
      ],
    },
    label,
  );
}

/** Dashes tell curves of one colour apart. */
const DASHES = ["", "6 3", "2 3", "9 3 2 3", "12 4", "4 2 1 2"];
export const dashOf = (n: number): string => DASHES[n % DASHES.length]!;
const MOST_POINTS = 400;

/** Loss of some trainings by step: drawn lines are the training, dots the validation. */
export function lossChart(
  curves: readonly LossCurve[],
  arms: readonly ReportArm[],
  { isSmall, dash }: { isSmall: boolean; dash: (curve: LossCurve) => string },
): Html {
  const parts = curves.map((curve) => {
    const [first, last] = [curve.points[0], curve.points.at(-1)];
    return first && last
      ? `${curve.arm} from ${first.loss.toFixed(2)} to ${last.loss.toFixed(2)} at step ${last.step}`
      : curve.arm;
  });
  return plotSvg(
    {
      width: isSmall ? CHART_WIDTH : 760,
      height: isSmall ? 230 : 300,
      marginLeft: 48,
      marginTop: 28,
      marginBottom: 42,
      x: {
        label: "step",
        labelArrow: "none",
        grid: false,
        tickFormat: (step: number) => (Number.isInteger(step) ? String(step) : ""),
      },
      y: { label: "loss (nats per token)", labelArrow: "none", grid: true, nice: true },
      marks: curves.flatMap((curve) => {
        const colour = colourOf(arms.find(({ name }) => name === curve.arm));
        return [
          Plot.line(thin(curve.points), {
            x: "step",
            y: "loss",
            stroke: colour,
            strokeWidth: 2,
            strokeDasharray: dash(curve),
          }),
          Plot.dot(curve.validation, { x: "step", y: "loss", stroke: colour, r: 3 }),
        ];
      }),
    },
    `Training loss by step: ${parts.join("; ")}.`,
  );
}

/** Means of equal runs of points, so that a long training makes no large page. */
function thin(points: readonly { step: number; loss: number }[]): { step: number; loss: number }[] {
  const finite = points.filter(({ loss }) => Number.isFinite(loss));
  const run = Math.ceil(finite.length / MOST_POINTS);
  if (run <= 1) return finite;
  const result: { step: number; loss: number }[] = [];
  for (let at = 0; at < finite.length; at += run) {
    const part = finite.slice(at, at + run);
    result.push({ step: part.at(-1)!.step, loss: part.reduce((sum, { loss }) => sum + loss, 0) / part.length });
  }
  return result;
}

/** Characters of answers: median, the middle half as a bar, 5 to 95 % as a line. */
export function lengthChart(lengths: readonly AnswerLengths[], arms: readonly ReportArm[]): Html {
  const rows = lengths.map(({ arm, quantiles }) => {
    const found = arms.find(({ name }) => name === arm);
    const [low, first, median, third, high] = quantiles;
    return { name: shortName(found?.title ?? arm), colour: colourOf(found), low, first, median, third, high };
  });
  return plotSvg(
    {
      width: CHART_WIDTH,
      height: 62 + ROW * rows.length,
      marginLeft: marginFor(rows.map(({ name }) => name)),
      marginRight: 18,
      marginTop: 8,
      marginBottom: 44,
      x: {
        label: "characters an answer",
        labelArrow: "none",
        labelAnchor: "center",
        grid: true,
        nice: true,
        zero: true,
        ticks: 5,
      },
      y: { label: null, domain: rows.map(({ name }) => name), tickSize: 0 },
      marks: [
        Plot.link(rows, { x1: "low", x2: "high", y1: "name", y2: "name", stroke: "colour", strokeWidth: 1.5 }),
        Plot.barX(rows, {
          x1: "first",
          x2: "third",
          y: "name",
          fill: "colour",
          fillOpacity: 0.35,
          insetTop: 5,
          insetBottom: 5,
        }),
        Plot.tickX(rows, { x: "median", y: "name", stroke: "colour", strokeWidth: 3, inset: 4 }),
      ],
    },
    `Characters of answers, ${lengths.map(({ arm, quantiles }) => `${arm}: median ${quantiles[2]}, half of them ${quantiles[1]} to ${quantiles[3]}`).join("; ")}.`,
  );
}

/** Applications shown in the chart: those with the most tasks. */
const APPLICATIONS = 15;
/** The published model that the chart shows beside ours. */
const PUBLISHED_MODEL = "text-davinci-003";

/** ROUGE-L by application: bars are the arms, ticks the best published model. */
export function applicationChart(scores: readonly ApplicationScore[], arms: readonly ReportArm[]): Html | undefined {
  const own = scores.filter(({ isPublished }) => !isPublished);
  const sizes = new Map(own.map(({ application, n }) => [application, n]));
  const shown = [...sizes]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, APPLICATIONS)
    .map(([name]) => name);
  if (shown.length === 0) return undefined;
  const rows = own
    .filter(({ application }) => shown.includes(application))
    .map(({ model, application, rougeL }) => {
      const arm = arms.find(({ name }) => name === model);
      return {
        application: shortName(application),
        arm: shortName(arm?.title ?? model),
        colour: colourOf(arm),
        rougeL,
      };
    });
  const published = scores
    .filter(
      ({ model, isPublished, application }) => isPublished && model === PUBLISHED_MODEL && shown.includes(application),
    )
    .flatMap(({ application, rougeL }) =>
      [...new Set(rows.map(({ arm }) => arm))].map((arm) => ({ application: shortName(application), arm, rougeL })),
    );
  const names = [...new Set(rows.map(({ arm }) => arm))];
  return plotSvg(
    {
      width: 760,
      height: 60 + shown.length * (8 + 14 * names.length),
      marginLeft: marginFor(shown),
      marginRight: 18,
      marginTop: 8,
      marginBottom: 44,
      x: {
        label: `ROUGE-L (bars: ours; ticks: ${PUBLISHED_MODEL})`,
        labelArrow: "none",
        labelAnchor: "center",
        grid: true,
        domain: [0, 1],
      },
      y: { axis: null, domain: names },
      fy: { label: null, axis: "left", domain: shown.map(shortName), padding: 0.2 },
      marks: [
        Plot.barX(rows, { x: "rougeL", y: "arm", fy: "application", fill: "colour", insetTop: 1, insetBottom: 1 }),
        Plot.tickX(published, { x: "rougeL", y: "arm", fy: "application", stroke: "var(--ink)", strokeWidth: 2 }),
      ],
    },
    `ROUGE-L by application: ${rows.map(({ application, arm, rougeL }) => `${application}, ${arm} ${rougeL.toFixed(2)}`).join("; ")}.`,
  );
}

/** Words of the responses in a data set: rows by bin. */
export function wordsChart({ name, responseWords, rows }: DataFigures): Html | undefined {
  const { edges, counts, mean } = responseWords;
  if (rows === 0) return undefined;
  const bins = counts.map((count, i) => ({ bin: `${edges[i]}${i === edges.length - 1 ? "+" : ""}`, count }));
  return plotSvg(
    {
      width: CHART_WIDTH,
      height: 190,
      marginLeft: 44,
      marginTop: 24,
      marginBottom: 42,
      x: {
        label: "words a response (from)",
        labelArrow: "none",
        labelAnchor: "center",
        domain: bins.map(({ bin }) => bin),
        tickSize: 0,
        tickFormat: (bin: string) => (bins.findIndex((each) => each.bin === bin) % 2 === 0 ? bin : ""),
      },
      y: { label: "rows", labelArrow: "none", grid: true, nice: true, ticks: 4 },
      marks: [
        Plot.barY(bins, { x: "bin", y: "count", fill: "var(--curve-0)", insetLeft: 0.5, insetRight: 0.5 }),
        Plot.ruleY([0]),
      ],
    },
    `Words a response in ${name}: ${mean.toFixed(1)} on average; ${bins
      .filter(({ count }) => count > 0)
      .map(({ bin, count }) => `from ${bin}: ${count}`)
      .join(", ")}.`,
  );
}
