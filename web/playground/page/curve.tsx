/** The losses of both runs as a drawing that grows. */
import type { Mode } from "../messages.js";
import { curves, type Point, steps } from "./state.js";

const [WIDTH, HEIGHT] = [640, 240];
const EDGE = { left: 48, right: 12, top: 12, bottom: 28 };

export function Curve() {
  const { rt, it } = curves.value;
  const all = [...rt, ...it];
  if (all.length === 0) return <p class="empty soft">The loss appears here, step by step.</p>;
  const last = Math.max(steps.value, ...all.map(({ step }) => step));
  const top = Math.max(...all.map(({ loss }) => loss)) * 1.05;
  const x = (step: number): number =>
    EDGE.left + ((step - 1) / Math.max(1, last - 1)) * (WIDTH - EDGE.left - EDGE.right);
  const y = (loss: number): number => EDGE.top + (1 - loss / top) * (HEIGHT - EDGE.top - EDGE.bottom);
  const path = (points: Point[]): string =>
    points.map(({ step, loss }, i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${y(loss).toFixed(1)}`).join("");
  const marks = [0, 0.25, 0.5, 0.75, 1].map((part) => part * top);
  const line = (mode: Mode, points: Point[]) => points.length > 0 && <path class={`line ${mode}`} d={path(points)} />;
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label="Loss by step">
      {marks.map((mark) => (
        <g key={mark}>
          <line class="grid" x1={EDGE.left} x2={WIDTH - EDGE.right} y1={y(mark)} y2={y(mark)} />
          <text class="tick" x={EDGE.left - 8} y={y(mark) + 4} text-anchor="end">
            {mark.toFixed(1)}
          </text>
        </g>
      ))}
      <text class="tick" x={EDGE.left} y={HEIGHT - 8}>
        step 1
      </text>
      <text class="tick" x={WIDTH - EDGE.right} y={HEIGHT - 8} text-anchor="end">
        {last}
      </text>
      {line("rt", rt)}
      {line("it", it)}
    </svg>
  );
}
