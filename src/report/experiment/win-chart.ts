import * as Plot from "@observablehq/plot";
import type { Html } from "../html.js";
import { plotSvg } from "../plot-svg.js";
import { CHART_WIDTH, colourOf, marginFor, shortName } from "./charts.js";
import { styleOf } from "./figures.js";
import type { ExperimentReport, Score } from "./report-data.js";

const RATES: readonly string[] = ["lc_win_rate", "win_rate"];

/**
 * Shares of wins of arms that are compared with other arms: the arm's from the left, what is left is its opponent's. Published
 * shares have outlines only.
 */
export function winCharts(report: ExperimentReport, evaluations: readonly string[]): { metric: string; chart: Html }[] {
  const opponents = new Map(
    report.evaluations.flatMap(({ name, reference }) =>
      reference !== undefined && evaluations.includes(name) ? [[name, reference] as const] : [],
    ),
  );
  if (opponents.size === 0) return [];
  const titleOf = (name: string): string => report.arms.find((arm) => arm.name === name)?.title ?? name;
  return RATES.flatMap((metric) => {
    const pairs = report.scores
      .filter((score) => score.metric === metric && opponents.has(score.evaluation))
      .flatMap((score) => bars(score, titleOf(score.arm), titleOf(opponents.get(score.evaluation)!)));
    if (pairs.length === 0) return [];
    const chart = drawn(
      pairs.map((pair) => ({ ...pair, colour: colourOf(report.arms.find(({ name }) => name === pair.arm)) })),
      styleOf(metric).label,
    );
    return [{ metric, chart }];
  });
}

/** What the name of a published bar ends with. */
const PUBLISHED = ", published";

interface Bar {
  arm: string;
  name: string;
  opponent: string;
  share: number;
  isPublished: boolean;
}

function bars({ arm, value, published }: Score, title: string, opponent: string): Bar[] {
  const given = { arm, opponent };
  return [
    ...(typeof value === "number" ? [{ ...given, name: title, share: value, isPublished: false }] : []),
    ...(typeof published?.value === "number"
      ? [{ ...given, name: title + PUBLISHED, share: published.value, isPublished: true }]
      : []),
  ];
}

function drawn(rows: readonly (Bar & { colour: string })[], label: string): Html {
  // A published bar stands below the measured one, and needs no name of its own.
  const shown = (name: string): string => (name.endsWith(PUBLISHED) ? PUBLISHED.slice(2) : shortName(name));
  const names = rows.map(({ name }) => name);
  const own = rows.filter(({ isPublished }) => !isPublished);
  const published = rows.filter(({ isPublished }) => isPublished);
  const inset = { insetTop: 4, insetBottom: 4 };
  const share = { y: "name", textAnchor: "start", dx: 6 } as const;
  return plotSvg(
    {
      width: CHART_WIDTH,
      height: 62 + 30 * rows.length,
      marginLeft: marginFor(names.map(shown)),
      marginRight: 18,
      marginTop: 8,
      marginBottom: 44,
      x: { label, labelArrow: "none", labelAnchor: "center", labelOffset: 36, domain: [0, 100], ticks: 5 },
      y: { label: null, domain: names, tickSize: 0, tickFormat: shown },
      marks: [
        Plot.barX(own, { x1: 0, x2: "share", y: "name", fill: "colour", ...inset }),
        Plot.barX(own, { x1: "share", x2: 100, y: "name", fill: "var(--line)", ...inset }),
        Plot.barX(published, { x1: 0, x2: "share", y: "name", fill: "none", stroke: "colour", ...inset }),
        Plot.barX(published, { x1: "share", x2: 100, y: "name", fill: "none", stroke: "var(--soft)", ...inset }),
        Plot.ruleX([50], { stroke: "var(--ink)", strokeDasharray: "2 3" }),
        Plot.text(own, { ...share, x: 0, text: percent, fill: "var(--paper)", filter: isWide }),
        Plot.text(published, { ...share, x: 0, text: percent, fill: "var(--ink)", filter: isWide }),
        Plot.text(rows, {
          y: "name",
          x: 100,
          dx: -6,
          textAnchor: "end",
          text: rest,
          fill: "var(--ink)",
          filter: leavesRoom,
        }),
      ],
    },
    `${label}: ${rows.map(({ name, opponent, share: own }) => `${name} ${own.toFixed(1)} against ${opponent} ${(100 - own).toFixed(1)}`).join("; ")}.`,
  );
}

const percent = ({ share }: Bar): string => share.toFixed(1);
const rest = ({ share }: Bar): string => (100 - share).toFixed(1);
const isWide = ({ share }: Bar): boolean => share >= 16;
const leavesRoom = ({ share }: Bar): boolean => share <= 84;
