/** A page on the 252 user tasks: a model beside the published ones, overall and by application. */
import * as Plot from "@observablehq/plot";
import type { ModelScores, TextScores } from "../eval/suites/user-tasks.js";
import { type Html, html, htmlPage } from "./html.js";
import { PAGE_STYLE } from "./page-style.js";
import { plotSvg } from "./plot-svg.js";

export interface UserTasksReport {
  /** Name of the model under test among `models`; absent when none of its answers could be scored. */
  own: string;
  models: Readonly<Record<string, ModelScores>>;
  /** Signatures and counts, for the head of the page. */
  facts: readonly (readonly [name: string, value: string])[];
}

type Figure = "bleu" | "rougeL" | "bertscoreF1";
const FIGURES: readonly { key: Figure; title: string; digits: number }[] = [
  { key: "rougeL", title: "ROUGE-L", digits: 4 },
  { key: "bleu", title: "BLEU", digits: 2 },
  { key: "bertscoreF1", title: "BERTScore F1", digits: 4 },
];

const OWN = "var(--curve-1)";
const OTHERS = "var(--curve-0)";
const STYLE = `${PAGE_STYLE}
.own th, .own td { font-weight: 700; }
details { margin: 1rem 0; } summary { cursor: pointer; }
figure { margin: 1.5rem 0; } figcaption { color: var(--soft); font-size: .9rem; }
`;

/** The whole page; needs nothing else and runs no script. */
export function userTasksPage(report: UserTasksReport): string {
  const present = FIGURES.filter(({ key }) => Object.values(report.models).some((model) => model[key] !== undefined));
  const names = Object.keys(report.models).sort((a, b) => report.models[b]!.rougeL - report.models[a]!.rougeL);
  const title = `252 user tasks: ${report.own}`;
  const body = html`<header>
<h1>${title}</h1>
<dl>${report.facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</header>
<main>
<section aria-labelledby="overall">
<h2 id="overall">Overall</h2>
${overallTable(report, names, present)}
${present.map((figure) => overallChart(report, names, figure))}
</section>
<section aria-labelledby="applications">
<h2 id="applications">By application</h2>
${present.map((figure) => applicationChart(report, figure))}
${present.map((figure) => applicationTable(report, names, figure))}
</section>
</main>`;
  return htmlPage({ title, body, style: STYLE });
}

const cell = (scores: TextScores | undefined, { key, digits }: (typeof FIGURES)[number]): string =>
  scores?.[key]?.toFixed(digits) ?? "–";

function overallTable({ own, models }: UserTasksReport, names: readonly string[], figures: typeof FIGURES): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-labelledby="overall"><table>
<thead><tr><th scope="col">model</th><th scope="col">rows</th>${figures.map(({ title }) => html`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>${names.map(
    (name) => html`
<tr${name === own ? html` class="own"` : undefined}><th scope="row">${name}</th><td>${models[name]!.n}</td>${figures.map((figure) => html`<td>${cell(models[name], figure)}</td>`)}</tr>`,
  )}
</tbody></table></div>`;
}

function overallChart(
  { own, models }: UserTasksReport,
  names: readonly string[],
  figure: (typeof FIGURES)[number],
): Html {
  const { key, title, digits } = figure;
  const rows = names.flatMap((name) => {
    const value = models[name]![key];
    return value === undefined ? [] : [{ name, value }];
  });
  const label = `${title} of each model: ${rows.map(({ name, value }) => `${name} ${value.toFixed(digits)}`).join(", ")}.`;
  const chart = plotSvg(
    {
      width: 760,
      height: 60 + 26 * rows.length,
      marginLeft: 280,
      marginRight: 60,
      x: { label: title, grid: true, zero: true },
      y: { label: null, domain: rows.map(({ name }) => name) },
      marks: [
        Plot.barX(rows, { y: "name", x: "value", fill: ({ name }) => (name === own ? OWN : OTHERS) }),
        Plot.text(rows, {
          y: "name",
          x: "value",
          text: ({ value }) => value.toFixed(digits),
          dx: 4,
          textAnchor: "start",
          fill: "currentColor",
        }),
      ],
    },
    label,
  );
  return html`<figure>${chart}</figure>`;
}

function applicationChart({ own, models }: UserTasksReport, { key, title, digits }: (typeof FIGURES)[number]): Html {
  const points = Object.entries(models).flatMap(([name, { applications }]) =>
    Object.entries(applications).flatMap(([application, scores]) =>
      scores[key] === undefined ? [] : [{ name, application, value: scores[key] }],
    ),
  );
  const mine = points.filter(({ name }) => name === own);
  const all = [...new Set(points.map(({ application }) => application))];
  const ownValue = new Map(mine.map(({ application, value }) => [application, value]));
  const domain = all.sort((a, b) => (ownValue.get(b) ?? -1) - (ownValue.get(a) ?? -1) || (a < b ? -1 : 1));
  const chart = plotSvg(
    {
      width: 760,
      height: 60 + 18 * domain.length,
      marginLeft: 190,
      x: { label: title, grid: true, zero: true, axis: "both" },
      y: { label: null, domain },
      marks: [
        Plot.ruleY(domain, { stroke: "var(--line)" }),
        Plot.tickX(
          points.filter(({ name }) => name !== own),
          { y: "application", x: "value", stroke: OTHERS, strokeOpacity: 0.75 },
        ),
        Plot.dot(mine, { y: "application", x: "value", fill: OWN, r: 5 }),
      ],
    },
    `${title} by application; ${own}: ${mine.map(({ application, value }) => `${application} ${value.toFixed(digits)}`).join(", ")}.`,
  );
  return html`<figure>
<figcaption>${title}: ${own} as dots, the published models as strokes. The figures are in the table below.</figcaption>
${chart}
</figure>`;
}

function applicationTable(
  { models }: UserTasksReport,
  names: readonly string[],
  figure: (typeof FIGURES)[number],
): Html {
  const rows = new Map<string, number>();
  for (const { applications } of Object.values(models))
    for (const [application, { n }] of Object.entries(applications))
      rows.set(application, Math.max(n, rows.get(application) ?? 0));
  const applications = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  return html`<details><summary>${figure.title} by application and model</summary>
<div class="scroll" tabindex="0" role="region" aria-label="${figure.title} by application"><table>
<thead><tr><th scope="col">application</th><th scope="col">rows</th>${names.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${applications.map(
    ([application, n]) => html`
<tr><th scope="row">${application}</th><td>${n}</td>${names.map((name) => html`<td>${cell(models[name]!.applications[application], figure)}</td>`)}</tr>`,
  )}
</tbody></table></div></details>`;
}
