import type { ExperimentStep } from "../../../src/serve/studio/wire.js";
import { seconds } from "../format.js";
import { href } from "../router.js";
import { layers } from "./layers.js";

const WIDTH = 190;
const HEIGHT = 54;
const GAP_X = 56;
const GAP_Y = 16;
const PAD = 4;

/** The page of a step's folder. */
export function stepHref({ link }: ExperimentStep): string {
  return link!.page === "run" ? href("run", link!.id) : href("evaluations", "", { show: link!.id });
}

/** Steps as boxes, left to right by what they need. The table beside it says the same in words. */
export function StepGraph({ steps }: { steps: readonly ExperimentStep[] }) {
  const columns = layers(steps);
  const rows = Math.max(1, ...columns.map((column) => column.length));
  const height = rows * (HEIGHT + GAP_Y) - GAP_Y + 2 * PAD;
  const width = columns.length * (WIDTH + GAP_X) - GAP_X + 2 * PAD;
  const at = new Map<string, { x: number; y: number }>();
  for (const [c, column] of columns.entries()) {
    const free = height - 2 * PAD - (column.length * (HEIGHT + GAP_Y) - GAP_Y);
    for (const [r, id] of column.entries())
      at.set(id, { x: PAD + c * (WIDTH + GAP_X), y: PAD + free / 2 + r * (HEIGHT + GAP_Y) });
  }
  return (
    <svg class="graph" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      {steps.flatMap((step) =>
        step.needs.flatMap((need) => {
          const [from, to] = [at.get(need), at.get(step.id)];
          if (!from || !to) return [];
          const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
          const bend = (x2 - x1) / 2;
          const path = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
          return [<path key={`${need} ${step.id}`} class="edge" d={path} />];
        }),
      )}
      {steps.map((step) => {
        const { x, y } = at.get(step.id)!;
        const box = (
          <g class={`node ${step.status}`} transform={`translate(${x} ${y})`}>
            <title>{step.error ?? step.title}</title>
            <rect width={WIDTH} height={HEIGHT} rx="9" />
            <circle cx="15" cy="19" r="5" />
            <text x="28" y="23" class="title">
              {shortened(step.title, 22)}
            </text>
            <text x="28" y="42" class="sub">
              {[step.kind, step.status, step.seconds === undefined ? "" : seconds(step.seconds)]
                .filter(Boolean)
                .join(" · ")}
            </text>
          </g>
        );
        return step.link ? (
          <a key={step.id} href={stepHref(step)} tabIndex={-1}>
            {box}
          </a>
        ) : (
          <g key={step.id}>{box}</g>
        );
      })}
    </svg>
  );
}

function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
