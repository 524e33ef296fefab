import { type Html, html } from "../html.js";
import { scoreChart } from "./charts.js";
import {
  type Column,
  ERRORS,
  extentNotes,
  howNotes,
  promptNotes,
  publishedText,
  type ResultTable,
  styleOf,
  withError,
} from "./figures.js";
import { colourKey, scrolling } from "./html-parts.js";
import { radarCharts } from "./radar-chart.js";
import { refusalChart } from "./refusal-chart.js";
import type { ExperimentReport, Score } from "./report-data.js";
import { sweepChart, sweepLines } from "./sweep-chart.js";
import { winCharts } from "./win-chart.js";

/** The table of evaluations of one title, and their charts. */
export function resultsSection(report: ExperimentReport, table: ResultTable): Html {
  const { evaluations, columns, rows } = table;
  const missing = rows.flatMap(({ title, scores }) =>
    [
      ...new Map(
        scores.flatMap((score) => (score && score.missing > 0 ? [[score.suite, score.missing] as const] : [])),
      ),
    ].map(([suite, count]) => `${title}, ${suite}: ${count}`),
  );
  const refusal = refusalChart(report, evaluations);
  return html`${figuresTable(report, table)}
${missing.length > 0 ? html`<p class="end">Rows without a result: ${missing.join("; ")}.</p>` : undefined}
${radars(report, table)}
${wins(report, evaluations)}
${columnCharts(report, table)}
${columns.some(({ hasPublished }) => hasPublished) ? html`<p class="end">Filled dots: measured here, ± one standard error. Hollow squares: published.</p>` : undefined}
${refusal ? html`<figure><figcaption>Refusal against over-refusal; the upper left corner is the aim</figcaption>${refusal}</figure>` : undefined}`;
}

function figuresTable(report: ExperimentReport, { evaluations, title, columns, rows }: ResultTable): Html {
  const given = report.evaluations.filter(({ name }) => evaluations.includes(name));
  const facts = given[0]!;
  const references = [...new Set(given.flatMap(({ reference }) => reference ?? []))];
  const ownRows = [...new Set(given.flatMap((each) => each.ownRows))];
  const notes = [
    facts.judge ? `judged by ${facts.judge}` : "",
    references.length > 0 ? `against the answers of ${references.join(", ")}` : "",
    facts.limit ? `the first ${facts.limit} rows of each part` : "",
    ...extentNotes(report, evaluations),
    ownRows.length > 0 ? `rows of the experiment's own in place of ${ownRows.join(", ")}` : "",
    ERRORS,
    ...howNotes(rows.flatMap(({ scores }) => scores)),
  ].filter((note) => note !== "");
  const groups = columns.reduce<{ suite: string; span: number }[]>((all, { suite, hasPublished }) => {
    const span = hasPublished ? 2 : 1;
    const last = all.at(-1);
    if (last?.suite === suite) last.span += span;
    else all.push({ suite, span });
    return all;
  }, []);
  const heads = columns.map(
    ({ metric, hasPublished }) =>
      html`<th scope="col">${styleOf(metric).label}</th>${hasPublished ? html`<th scope="col" class="published">published</th>` : undefined}`,
  );
  const lines = rows.map(
    ({ title: arm, scores }) => html`
<tr><th scope="row">${arm}</th>${columns.map(
      ({ hasPublished }, i) =>
        html`<td>${withError(scores[i])}</td>${hasPublished ? html`<td class="published">${publishedText(scores[i])}</td>` : undefined}`,
    )}</tr>`,
  );
  const prompts = promptNotes(rows.flatMap(({ scores }) => scores));
  return html`<p class="end">${notes.join("; ")}</p>
${prompts.length > 0 ? html`<p class="end">${prompts.join(". ")}.</p>` : undefined}
${scrolling(
  title,
  html`<table class="results">
<thead><tr><td></td>${groups.map(({ suite, span }) => html`<th scope="colgroup" colspan="${span}">${suite}</th>`)}</tr>
<tr><th scope="col">arm</th>${heads}</tr></thead>
<tbody>${lines}</tbody></table>`,
)}`;
}

function radars(report: ExperimentReport, table: ResultTable): Html | undefined {
  const all = radarCharts(table, report.arms);
  if (all.length === 0) return undefined;
  const figures = all.map(
    ({ title, chart, keys, hasPublished }) => html`<figure><figcaption>${title}</figcaption>${chart}
<p class="keys">${keys.map(({ label, colour }) => colourKey(label, colour))}${hasPublished ? colourKey("published", "var(--soft)", "2 3") : undefined}</p></figure>`,
  );
  return html`<div class="charts">${figures}</div>`;
}

function wins(report: ExperimentReport, evaluations: readonly string[]): Html | undefined {
  const all = winCharts(report, evaluations);
  if (all.length === 0) return undefined;
  const opponents = report.evaluations.flatMap(({ name, reference }) =>
    reference !== undefined && evaluations.includes(name) ? [reference] : [],
  );
  const figures = all.map(
    ({ metric, chart }) =>
      html`<figure><figcaption>${styleOf(metric).label}: wins and, from the right, those of ${opponents.length > 3 ? "the arms compared with" : opponents.join(", ")}</figcaption>${chart}</figure>`,
  );
  return html`<div class="charts">${figures}</div>`;
}

/** A chart for each column: lines over a number that the experiment sweeps, or a dot for each arm. */
function columnCharts(report: ExperimentReport, table: ResultTable): Html | undefined {
  const lines = sweepLines(table, report.arms);
  const figures = table.columns.flatMap((column) => {
    const scores = scoresOf(table, column);
    const chart = lines ? sweepChart(column, scores, lines) : scoreChart(column, scores, report.arms);
    return chart ? [html`<figure><figcaption>${column.suite}</figcaption>${chart}</figure>`] : [];
  });
  if (figures.length === 0) return undefined;
  return html`<div class="charts">${figures}</div>
${lines ? html`<p class="keys">${lines.series.map(({ label, colour }) => colourKey(label, colour))}</p>` : undefined}`;
}

const scoresOf = ({ rows }: ResultTable, { suite, metric }: Column): Score[] =>
  rows.flatMap(({ scores }) =>
    scores.flatMap((score) => (score?.suite === suite && score.metric === metric ? [score] : [])),
  );
