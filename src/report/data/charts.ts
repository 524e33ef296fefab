import * as Plot from "@observablehq/plot";
import type { Html } from "../html.js";
import { plotSvg } from "../plot-svg.js";
import type { Histogram } from "./histogram.js";

export interface HistogramLabels {
  /** What the values are, for the axis: "words". */
  x: string;
  /** What is counted: "instructions". */
  y: string;
  /** The chart in words. */
  about: string;
}

/** A histogram as bars; undefined without a value. Marks are drawn as dashed lines across, such as a limit. */
export function histogramChart(
  histogram: Histogram,
  labels: HistogramLabels,
  marks: readonly { at: number; text: string }[] = [],
): Html | undefined {
  const { start, width, counts, isOpen } = histogram;
  if (counts.every((count) => count === 0)) return undefined;
  const end = start + counts.length * width;
  const shown = marks.filter(({ at }) => at >= start && at <= end);
  const bars = counts.map((count, i) => ({ from: start + i * width, to: start + (i + 1) * width, count }));
  return plotSvg(
    {
      width: 520,
      height: 260,
      marginLeft: 56,
      marginTop: 30,
      marginBottom: 42,
      x: { label: isOpen ? `${labels.x} (the last bar holds all larger ones, too)` : labels.x, domain: [start, end] },
      y: { label: labels.y, grid: true, nice: true, ticks: Math.min(6, Math.max(...counts)) },
      marks: [
        Plot.rectY(bars, { x1: "from", x2: "to", y: "count", fill: "var(--curve-0)", insetLeft: 0.5, insetRight: 0.5 }),
        Plot.ruleY([0]),
        Plot.ruleX(shown, { x: "at", stroke: "var(--curve-1)", strokeWidth: 2, strokeDasharray: "5 3" }),
        Plot.text(shown, { x: "at", frameAnchor: "top", text: "text", dy: -14, fill: "var(--curve-1)" }),
      ],
    },
    labels.about,
  );
}
