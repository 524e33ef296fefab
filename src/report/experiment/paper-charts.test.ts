import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { resultTables } from "./figures.js";
import { experimentHtml } from "./html.js";
import { radarCharts } from "./radar-chart.js";
import { placeLabels } from "./refusal-chart.js";
import type { ExperimentReport, ReportArm, Score } from "./report-data.js";
import { sweepLines } from "./sweep-chart.js";
import { experimentMarkdown } from "./text.js";
import { winCharts } from "./win-chart.js";

const arm = (name: string, kind: ReportArm["kind"], more: Partial<ReportArm> = {}): ReportArm => ({
  name,
  title: name,
  kind,
  model: "m",
  changes: [],
  seeds: [0],
  ...more,
});

const score = (evaluation: string, name: string, column: string, value: number | null, published?: number): Score => {
  const [suite, metric] = column.split(".") as [string, string];
  return {
    arm: name,
    evaluation,
    suite,
    metric,
    value,
    stderr: value === null ? null : 0.05,
    sampling: null,
    runToRun: null,
    low: null,
    high: null,
    n: 10,
    missing: 0,
    seeds: 1,
    ...(published === undefined ? {} : { published: { value: published, source: 0 } }),
  };
};

function reportOf(arms: ReportArm[], scores: Score[], reference?: string): ExperimentReport {
  return {
    name: "e",
    title: "e",
    notes: [],
    smoke: false,
    facts: [],
    absent: [],
    arms,
    evaluations: [{ name: "v", title: "V", ownRows: [], extents: [], ...(reference ? { reference } : {}) }],
    scores,
    losses: [],
    lengths: [],
    applications: [],
    taskModels: [],
    data: [],
    questions: [],
    published: [],
  };
}

const labels = (report: ExperimentReport): (string | null)[] =>
  [...parseHTML(experimentHtml(report)).document.querySelectorAll("svg[role=img]")].map((svg) =>
    svg.getAttribute("aria-label"),
  );

describe("a sweep over a number", () => {
  const arms = [0, 100, 500].flatMap((n) =>
    (["it", "rt"] as const).map((kind) => arm(`${kind}+${n}`, kind, { swept: { refusals: n } })),
  );
  const scores = arms.map(({ name, swept }) =>
    score("v", name, "advbench.defense_success_rate", Number(swept!.refusals) / 1000, 0.9),
  );

  it("is a line for IT and one for RT, with the published figures", () => {
    const report = reportOf(arms, scores);
    const lines = sweepLines(resultTables(report)[0]!, arms)!;
    expect(lines.over).toBe("refusals");
    expect(lines.series.map(({ label, arms: own }) => [label, own.map(({ x }) => x)])).toEqual([
      ["IT", [0, 100, 500]],
      ["RT", [0, 100, 500]],
    ]);
    expect(labels(report)[0]).toMatch(
      /^advbench, refused, %, over refusals: IT at 0: 0\.0 ± 5\.0 \(published 90\.0\); IT at 100: 10\.0/,
    );
  });

  it("is none where an arm stands outside it, or it has names for values", () => {
    const base = arm("base", "untuned");
    const more = [...scores, score("v", "base", "advbench.defense_success_rate", 0.5)];
    expect(sweepLines(resultTables(reportOf([...arms, base], more))[0]!, [...arms, base])).toBeUndefined();
    const named = arms.map((each) => ({ ...each, swept: { set: String(each.swept!.refusals) } }));
    expect(sweepLines(resultTables(reportOf(named, scores))[0]!, named)).toBeUndefined();
  });
});

describe("just-eval's radar", () => {
  const arms = [
    arm("base", "untuned"),
    arm("it-a", "it", { data: "a" }),
    arm("it-b", "it", { data: "b" }),
    arm("rt-a", "rt", { data: "a" }),
  ];
  const aspects = ["helpfulness", "clarity", "depth", "overall"];
  const scores = arms.flatMap(({ name }) =>
    aspects.map((aspect) =>
      score("v", name, `just_eval.${aspect}`, name === "rt-a" && aspect === "depth" ? null : 2, 4),
    ),
  );

  it("is drawn for each data set, the untuned arm in each, without the overall figure", () => {
    const report = reportOf(arms, scores);
    const radars = radarCharts(resultTables(report)[0]!, arms);
    expect(radars.map(({ title, keys }) => [title, keys.map(({ label }) => label)])).toEqual([
      ["a", ["base", "it-a", "rt-a"]],
      ["b", ["base", "it-b"]],
    ]);
    expect(radars[0]!.hasPublished).toBe(true);
    expect(labels(report)[0]).toBe(
      "just_eval, 1 to 5: base: helpfulness 2.00 (published 4), clarity 2.00 (published 4), depth 2.00 (published 4); " +
        "it-a: helpfulness 2.00 (published 4), clarity 2.00 (published 4), depth 2.00 (published 4); " +
        "rt-a: helpfulness 2.00 (published 4), clarity 2.00 (published 4), depth – (published 4).",
    );
  });

  it("tells arms of one kind apart by colour", () => {
    const prompts = ["0shot", "urial_r", "urial"].map((name) => arm(name, "in-context"));
    const figures = prompts.flatMap(({ name }) => aspects.map((aspect) => score("v", name, `just_eval.${aspect}`, 3)));
    const [radar] = radarCharts(resultTables(reportOf(prompts, figures))[0]!, prompts);
    expect(new Set(radar!.keys.map(({ colour }) => colour)).size).toBe(3);
  });
});

describe("names beside points", () => {
  const at = (name: string, x: number, y: number) => ({ name, x, y, isPublished: false });

  it("stand to the right, elsewhere where that is taken, and nowhere in a crowd", () => {
    const [alone] = placeLabels([at("IT + 0", 20, 50)]);
    expect(alone!.x).toBeGreaterThan(20);
    expect(alone!.y).toBe(50);
    const pair = placeLabels([at("IT + 0", 20, 50), at("RT + 0", 24, 50)]);
    expect(pair).toHaveLength(2);
    const crowd = placeLabels(Array.from({ length: 40 }, (_, i) => at(`arm ${i}`, 50 + i / 100, 50)));
    expect(crowd.length).toBeGreaterThan(2);
    expect(crowd.length).toBeLessThan(40);
    const places = crowd.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`);
    expect(new Set(places).size).toBe(crowd.length);
  });
});

describe("win rates against another arm", () => {
  const arms = [arm("it", "it"), arm("rt", "rt")];
  const scores = [score("v", "rt", "alpaca_eval.win_rate", 25), score("v", "rt", "alpaca_eval.lc_win_rate", null, 40)];

  it("are shares of both, ours and the published one", () => {
    const report = reportOf(arms, scores, "it");
    const charts = winCharts(report, ["v"]);
    expect(charts.map(({ metric }) => metric)).toEqual(["lc_win_rate", "win_rate"]);
    expect(labels(report)[0]).toBe("length-controlled win rate, %: rt, published 40.0 against it 60.0.");
    expect(labels(report)[1]).toBe("win rate, %: rt 25.0 against it 75.0.");
  });

  it("are not drawn so without a reference arm", () => {
    expect(winCharts(reportOf(arms, scores), ["v"])).toEqual([]);
  });
});

describe("published tables without a counterpart", () => {
  it("stand in the page and in the Markdown", () => {
    const report = reportOf([], []);
    const table = { title: "By people", note: "nobody was asked", columns: ["good"], rows: { RT: ["0.91"] } };
    report.published.push({ source: "a paper", tables: [table] });
    const { document } = parseHTML(experimentHtml(report));
    expect([...document.querySelectorAll("tbody th, tbody td")].map((cell) => cell.textContent)).toEqual(
      expect.arrayContaining(["RT", "0.91"]),
    );
    expect(experimentMarkdown(report)).toContain("### By people\n\nPublished; nobody was asked\n\n|  | good |");
  });
});
