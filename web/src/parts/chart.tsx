import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { figure } from "../format.js";
import { colour, colours } from "../theme.js";

export interface Line {
  name: string;
  /** CSS variable of its colour. */
  colour: string;
  x: readonly number[];
  y: readonly (number | null)[];
  dashed?: boolean;
}

const HEIGHT = 240;

/** Colour of the n-th curve. */
export function curveColour(n: number): string {
  return `--curve-${n % 6}`;
}

/** Lines over optimiser steps; follows new points without being built anew. */
export function Chart({
  title,
  unit,
  lines,
  keyed = false,
  height = HEIGHT,
}: {
  title: string;
  unit?: string;
  lines: readonly Line[];
  /** Names the lines beside the title; off where the page does it. */
  keyed?: boolean;
  height?: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data = joined(lines);
  const empty = lines.every(({ x }) => x.length === 0);
  // What the plot is built for; points alone only set its data.
  const shape = JSON.stringify([
    lines.map(({ name, colour: c, dashed }) => [name, c, dashed]),
    height,
    colours.value,
    empty,
  ]);

  useEffect(() => {
    const parent = box.current!;
    if (empty) return;
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--hair"), width: 1 }, ticks: { show: false } };
    const font = "12px system-ui, sans-serif";
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    const made = new uPlot(
      {
        width: parent.clientWidth,
        height,
        legend: { show: false },
        padding: [10, 14, 0, 0],
        cursor: { y: false, points: { size: 7 } },
        scales: { x: { time: false } },
        axes: [
          {
            ...axis,
            grid: { show: false },
            font,
            size: 26,
            values: (_, ticks) => ticks.map((t) => (Number.isInteger(t) ? String(t) : "")),
          },
          { ...axis, font, size: 52, values: (_, ticks) => ticks.map(figure) },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            label: line.name,
            stroke: colour(line.colour),
            width: 2,
            pxAlign: 0,
            spanGaps: true,
            ...(line.dashed ? { dash: [5, 4] } : {}),
            // One or two points make no line to see.
            points: { show: (u: uPlot) => line.dashed === true || u.data[0].length < 3, size: 5 },
          })),
        ],
        hooks: { setCursor: [(u) => showTip(u, tip)] },
      },
      data,
      parent,
    );
    made.over.append(tip);
    plot.current = made;
    const resize = new ResizeObserver(() => made.setSize({ width: parent.clientWidth, height }));
    resize.observe(parent);
    return () => {
      resize.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(data);
  }, [lines]);

  return (
    <figure class="chart">
      <figcaption>
        {title} {unit && <span class="soft">{unit}</span>}
        {keyed &&
          lines.map(({ name, colour: c }) => (
            <span class="key" key={name}>
              <i style={{ background: `var(${c})` }} /> {name}
            </span>
          ))}
      </figcaption>
      <div ref={box} role="img" aria-label={describe(title, lines)} style={{ height: `${height}px` }}>
        {empty && <p class="soft hollow">No points yet</p>}
      </div>
    </figure>
  );
}

/** uPlot wants one list of x for all lines. */
function joined(lines: readonly Line[]): uPlot.AlignedData {
  const tables = lines.map(({ x, y }) => [x, y] as unknown as uPlot.AlignedData);
  if (tables.length === 1) return tables[0]!;
  return tables.length === 0 ? ([[]] as unknown as uPlot.AlignedData) : uPlot.join(tables);
}

function showTip(u: uPlot, tip: HTMLElement): void {
  const { left, idx } = u.cursor;
  tip.hidden = idx === null || idx === undefined || left === undefined || left < 0;
  if (tip.hidden) return;
  const rows = u.series.slice(1).flatMap((series, i) => {
    const value = u.data[i + 1]![idx!];
    return value === null || value === undefined ? [] : [`${String(series.label)}: ${figure(value)}`];
  });
  tip.textContent = [`step ${u.data[0]![idx!]}`, ...rows].join("\n");
  const right = left! > u.over.clientWidth / 2;
  tip.style.left = right ? "" : `${left! + 12}px`;
  tip.style.right = right ? `${u.over.clientWidth - left! + 12}px` : "";
}

function describe(title: string, lines: readonly Line[]): string {
  const parts = lines.flatMap(({ name, x, y }) => {
    if (x.length === 0) return [];
    return [`${name} from ${figure(y[0])} to ${figure(y.at(-1))} at step ${x.at(-1)}`];
  });
  return `${title} by step: ${parts.join("; ") || "no points yet"}`;
}
