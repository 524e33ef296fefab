import { hierarchy, partition } from "d3-hierarchy";
import { arc } from "d3-shape";
import { type Html, html, type Html as RawHtml } from "../html.js";
import type { VerbCount } from "./verb-noun.js";

const VERBS = 20;
const NOUNS_OF_A_VERB = 4;
const RADIUS = 310;
const HOLE = 60;
const VERB_RING = 175;
/** A label needs this much of the ring, in pixels of the drawing. */
const LABEL_HEIGHT = 12;
const INK = "#1b1f24";

interface Node {
  name: string;
  count?: number;
  children?: Node[];
}

/** The verbs and nouns of the sunburst: the 20 most frequent verbs with their 4 most frequent objects each (Wang et al. 2023, figure 2). */
export function shownPairs(verbs: readonly VerbCount[]): VerbCount[] {
  return verbs.slice(0, VERBS).map(({ verb, nouns }) => {
    const shown = nouns.slice(0, NOUNS_OF_A_VERB);
    return { verb, nouns: shown, count: shown.reduce((sum, { count }) => sum + count, 0) };
  });
}

/** Verbs in the inner ring, their direct objects in the outer one; undefined without a verb. Colours are light with dark text, on any page. */
export function sunburst(verbs: readonly VerbCount[]): Html | undefined {
  const shown = shownPairs(verbs);
  if (shown.length === 0) return undefined;
  const data: Node = {
    name: "",
    children: shown.map(({ verb, nouns }) => ({
      name: verb,
      children: nouns.map(({ noun, count }) => ({ name: noun, count })),
    })),
  };
  const root = partition<Node>().size([2 * Math.PI, 1])(hierarchy(data).sum(({ count }) => count ?? 0));
  const ring = arc<{ from: number; to: number; inner: number; outer: number }>()
    .startAngle(({ from }) => from)
    .endAngle(({ to }) => to)
    .innerRadius(({ inner }) => inner)
    .outerRadius(({ outer }) => outer)
    .padAngle(0.003);
  const parts = root.descendants().flatMap((node) => {
    if (node.depth === 0) return [];
    const isVerb = node.depth === 1;
    const verb = isVerb ? node : node.parent!;
    const hue = Math.round((360 * root.children!.indexOf(verb)) / root.children!.length);
    const [inner, outer] = isVerb ? [HOLE, VERB_RING] : [VERB_RING, RADIUS];
    const path = ring({ from: node.x0, to: node.x1, inner, outer }) ?? "";
    const title = isVerb ? `${node.data.name}: ${node.value}` : `${verb.data.name} ${node.data.name}: ${node.value}`;
    return [
      html`<path d="${path}" fill="hsl(${hue} 65% ${isVerb ? 76 : 87}%)"><title>${title}</title></path>
${label(node.data.name, (node.x0 + node.x1) / 2, (inner + outer) / 2, (node.x1 - node.x0) * (inner + outer) * 0.45)}`,
    ];
  });
  const about = `Sunburst of root verbs and their direct objects; the same figures are in the table below. Most frequent: ${shown
    .slice(0, 5)
    .map(({ verb, nouns }) => `${verb} ${nouns[0]!.noun}`)
    .join(", ")}.`;
  return html`<svg viewBox="${-RADIUS} ${-RADIUS} ${2 * RADIUS} ${2 * RADIUS}" width="${2 * RADIUS}" role="img" aria-label="${about}" class="sunburst" font-size="13" fill="${INK}" stroke="none">${parts}</svg>`;
}

/** A word along the radius, upright on both sides; nothing where it would not fit. */
function label(text: string, angle: number, radius: number, room: number): RawHtml | undefined {
  if (room < LABEL_HEIGHT) return undefined;
  const degrees = (angle * 180) / Math.PI - 90;
  const turned = degrees > 90 ? 180 : 0;
  const short = text.length > 16 ? `${text.slice(0, 15)}…` : text;
  return html`<text transform="rotate(${degrees.toFixed(1)}) translate(${radius} 0) rotate(${turned})" text-anchor="middle" dy="0.35em">${short}</text>`;
}
