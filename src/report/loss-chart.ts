import * as Plot from "@observablehq/plot";
import type { Html } from "./html.js";
import { plotSvg } from "./plot-svg.js";

export interface Curve {
  name: string;
  points: readonly { step: number; loss: number }[];
}

/** Dash patterns tell curves apart without colour. */
const DASHES = ["", "6 3", "2 3", "9 3 2 3", "12 4"];
export const CURVE_COLOURS = DASHES.length;
const MOST_POINTS = 600;

/** Dash pattern of the n-th curve, as an SVG attribute's value. */
export function curveDash(n: number): string {
  return DASHES[n % DASHES.length] as string;
}

/** CSS colour of the n-th curve: a variable of the page, so that it follows light and dark. */
export function curveColour(n: number): string {
  return `var(--curve-${n % CURVE_COLOURS})`;
}

/** Loss by step as an SVG element; undefined without any finite point. Width follows the page. */
export function lossChart(curves: readonly Curve[]): Html | undefined {
  const drawn = curves.map(({ name, points }) => ({ name, points: thin(points.filter(isFinitePoint)) }));
  if (drawn.every(({ points }) => points.length === 0)) return undefined;
  return plotSvg(
    {
      width: 760,
      height: 320,
      marginLeft: 48,
      marginTop: 32,
      marginBottom: 44,
      x: { label: "step", grid: false },
      y: { label: "training loss (nats per token)", grid: true, nice: true },
      marks: drawn.map(({ points }, n) =>
        Plot.line(points as { step: number; loss: number }[], {
          x: "step",
          y: "loss",
          stroke: curveColour(n),
          strokeWidth: 2,
          strokeDasharray: curveDash(n),
        }),
      ),
    },
    describe(drawn),
  );
}

function isFinitePoint({ step, loss }: { step: number; loss: number }): boolean {
  return Number.isFinite(step) && Number.isFinite(loss);
}

/** Means of equal runs of points, so that a long training makes no large page. */
function thin(points: readonly { step: number; loss: number }[]): readonly { step: number; loss: number }[] {
  const run = Math.ceil(points.length / MOST_POINTS);
  if (run <= 1) return points;
  const result: { step: number; loss: number }[] = [];
  for (let at = 0; at < points.length; at += run) {
    const part = points.slice(at, at + run);
    result.push({
      step: (part.at(-1) as { step: number }).step,
      loss: part.reduce((sum, { loss }) => sum + loss, 0) / part.length,
    });
  }
  return result;
}

function describe(curves: readonly Curve[]): string {
  const parts = curves.flatMap(({ name, points }) => {
    const [first, last] = [points[0], points.at(-1)];
    return first && last
      ? [`${name} from ${first.loss.toFixed(2)} to ${last.loss.toFixed(2)} at step ${last.step}`]
      : [];
  });
  return `Training loss by step: ${parts.join("; ")}.`;
}
