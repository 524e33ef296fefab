import * as Plot from "@observablehq/plot";
import type { Html } from "../html.js";
import { plotSvg } from "../plot-svg.js";
import { colourOf, shortName } from "./charts.js";
import type { ExperimentReport, Score } from "./report-data.js";

const FRAME = { width: 560, height: 400, marginLeft: 52, marginRight: 90, marginTop: 28, marginBottom: 46 } as const;
/** Units of the axes, which go from 0 to 100, in a pixel. */
const UNIT_X = 100 / (FRAME.width - FRAME.marginLeft - FRAME.marginRight);
const UNIT_Y = 100 / (FRAME.height - FRAME.marginTop - FRAME.marginBottom);

/** Refusals of unsafe requests against refusals of safe ones: the upper left corner is the aim. */
export function refusalChart(report: ExperimentReport, evaluations: readonly string[]): Html | undefined {
  const find = (arm: string, suite: string, metric: string): Score | undefined =>
    report.scores.find(
      (score) =>
        evaluations.includes(score.evaluation) && score.arm === arm && score.suite === suite && score.metric === metric,
    );
  const points = report.arms.flatMap((arm) => {
    const over = find(arm.name, "xstest", "safe_refusal_rate");
    const unsafe = find(arm.name, "refusal", "average") ?? find(arm.name, "xstest", "unsafe_defense_rate");
    const given = { name: shortName(arm.title), colour: colourOf(arm) };
    const own =
      typeof over?.value === "number" && typeof unsafe?.value === "number"
        ? [{ ...given, x: 100 * over.value, y: 100 * unsafe.value, isPublished: false }]
        : [];
    const [px, py] = [over?.published?.value, unsafe?.published?.value];
    const published =
      typeof px === "number" && typeof py === "number"
        ? [{ ...given, x: 100 * px, y: 100 * py, isPublished: true }]
        : [];
    return [...own, ...published];
  });
  if (points.length === 0) return undefined;
  const own = points.filter(({ isPublished }) => !isPublished);
  const published = points.filter(({ isPublished }) => isPublished);
  const labels = placeLabels([...own, ...published]);
  return plotSvg(
    {
      ...FRAME,
      x: {
        label: "safe requests refused, %",
        labelArrow: "none",
        labelAnchor: "center",
        domain: [0, 100],
        grid: true,
        ticks: 5,
      },
      y: { label: "unsafe requests refused, %", labelArrow: "none", domain: [0, 100], grid: true, ticks: 5 },
      marks: [
        Plot.dot(own, { x: "x", y: "y", fill: "colour", r: 5 }),
        Plot.dot(published, { x: "x", y: "y", stroke: "colour", symbol: "square", r: 5, strokeWidth: 1.5 }),
        Plot.text(labels, {
          x: "x",
          y: "y",
          text: "name",
          textAnchor: "start",
          fill: (label: Label) => (label.isPublished ? "var(--soft)" : "var(--ink)"),
        }),
      ],
    },
    `Refusal against over-refusal: ${points.map(({ name, x, y, isPublished }) => `${name}${isPublished ? " (published)" : ""} refuses ${y.toFixed(0)} % of unsafe and ${x.toFixed(0)} % of safe requests`).join("; ")}.`,
  );
}

interface Point {
  name: string;
  x: number;
  y: number;
  isPublished: boolean;
}

/** A name beside a point: where its left end stands. */
type Label = Point;

/** Size of text in pixels, and its distance from the middle of its point. */
const TEXT = { height: 14, character: 7.2, gap: 9, dot: 6 } as const;

/** Beside each point its name, where neither a point nor another name stands; a name that finds no place is left out. */
export function placeLabels(points: readonly Point[]): Label[] {
  const taken: Box[] = points.map(({ x, y }) => boxAt(x, y, TEXT.dot * 2, TEXT.dot * 2));
  return points.flatMap((point) => {
    const width = TEXT.character * point.name.length;
    const [right, left] = [TEXT.gap * UNIT_X, -(TEXT.gap + width) * UNIT_X];
    const middle = (-width / 2) * UNIT_X;
    const rise = TEXT.height * UNIT_Y;
    const places = [
      [right, 0],
      [left, 0],
      [right, rise],
      [right, -rise],
      [left, rise],
      [left, -rise],
      [middle, 1.3 * rise],
      [middle, -1.3 * rise],
    ].map(([dx, dy]) => ({ x: point.x + dx!, y: point.y + dy! }));
    const free = places.find(({ x, y }) => {
      const box = boxAt(x + (width / 2) * UNIT_X, y, width, TEXT.height);
      return x >= 0 && y >= 0 && y <= 100 && !taken.some((other) => overlap(box, other));
    });
    if (!free) return [];
    taken.push(boxAt(free.x + (width / 2) * UNIT_X, free.y, width, TEXT.height));
    return [{ ...point, ...free }];
  });
}

interface Box {
  x1: number;
  x2: number;
  y1: number;
  y2: number;
}

/** A box around a middle in units of the axes, its size in pixels. */
function boxAt(x: number, y: number, width: number, height: number): Box {
  const [w, h] = [(width / 2) * UNIT_X, (height / 2) * UNIT_Y];
  return { x1: x - w, x2: x + w, y1: y - h, y2: y + h };
}

const overlap = (a: Box, b: Box): boolean => a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2;
