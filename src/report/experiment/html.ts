import { type Html, html, htmlPage } from "../html.js";
import { applicationChart, colourOf, dashOf, lengthChart, lossChart, wordsChart } from "./charts.js";
import { publishedText, resultTables, shownValue, styleOf } from "./figures.js";
import { findingOf } from "./finding.js";
import { colourKey, scrolling } from "./html-parts.js";
import { EXPERIMENT_SCRIPT, EXPERIMENT_STYLE } from "./page.js";
import { publishedSection } from "./published-section.js";
import { answersSection } from "./questions.js";
import { COMMAND_FACT, type ExperimentReport, type LossCurve } from "./report-data.js";
import { resultsSection } from "./results-section.js";
import { dataPrompts } from "./text.js";

/** The report as one self-contained HTML page: readable without JavaScript, which adds the search. */
export function experimentHtml(report: ExperimentReport): string {
  const tables = resultTables(report);
  const sections: [id: string, title: string, body: Html | undefined][] = [
    ["arms", "What is compared", armsTable(report)],
    ...tables.map((table, i): [string, string, Html] => [
      `results-${i + 1}`,
      table.title,
      resultsSection(report, table),
    ]),
    ["applications", "User tasks: published models and applications", applications(report)],
    ["losses", "Training loss", losses(report)],
    ["lengths", "Lengths of answers", lengths(report)],
    ["data", "Data", data(report)],
    ["answers", "Answers side by side", answersSection(report)],
    ["figures", "All figures", allFigures(report)],
    ["sources", "Published figures", publishedSection(report)],
  ];
  const present = sections.filter((section): section is [string, string, Html] => section[2] !== undefined);
  const body = html`<header>
<h1>${report.title}</h1>
${report.description ? html`<p class="lead">${report.description}</p>` : undefined}
${findingNote(report)}
${report.notes.map((note) => html`<p class="note">${note}</p>`)}
${report.smoke ? html`<p class="note"><b>Smoke variant.</b> Small models and few rows: the figures show that the experiment works, not what the methods can do.</p>` : undefined}
${absentNote(report)}
<dl>${report.facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${name === COMMAND_FACT ? html`<code>${value}</code>` : value}</dd></div>`)}</dl>
<nav aria-label="Sections"><ul>${present.map(([id, title]) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
</header>
<main>
${present.map(
  ([id, title, content]) => html`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
${content}
</section>
`,
)}
</main>`;
  return htmlPage({ title: report.title, body, style: EXPERIMENT_STYLE, script: EXPERIMENT_SCRIPT });
}

function findingNote(report: ExperimentReport): Html | undefined {
  const sentences = findingOf(report);
  return sentences.length ? html`<p class="lead"><b>Found:</b> ${sentences.join(" ")}</p>` : undefined;
}

/** Steps without a result that are named one by one. */
const ABSENT_SHOWN = 6;

function absentNote({ absent }: ExperimentReport): Html | undefined {
  if (absent.length === 0) return undefined;
  const shown = absent.slice(0, ABSENT_SHOWN);
  const more = absent.length - shown.length;
  return html`<div class="note"><b>Incomplete.</b> These steps have no result yet:
<ul>${shown.map(({ id, status, error }) => html`<li>${id}: ${status}${error ? `, ${error}` : ""}</li>`)}${more > 0 ? html`<li>and ${more} more</li>` : undefined}</ul></div>`;
}

const KINDS = { untuned: "untuned", "in-context": "in context", it: "IT", rt: "RT", text: "text" } as const;

function armsTable({ arms }: ExperimentReport): Html {
  const rows = arms.map(
    ({ title, kind, model, data: rows, changes, seeds }) => html`
<tr><th scope="row">${title}</th><td class="text">${KINDS[kind]}</td><td class="text">${model}</td><td class="text">${rows ?? "–"}</td><td class="text">${changes.join(", ") || "–"}</td><td>${seeds.join(", ") || "–"}</td></tr>`,
  );
  return scrolling(
    "What is compared",
    html`<table>
<thead><tr><th scope="col">arm</th><th scope="col" class="text">kind</th><th scope="col" class="text">base model</th><th scope="col" class="text">data</th><th scope="col" class="text">changes</th><th scope="col">seeds</th></tr></thead>
<tbody>${rows}</tbody></table>`,
  );
}

function applications(report: ExperimentReport): Html | undefined {
  const chart = applicationChart(report.applications, report.arms);
  if (!chart) return undefined;
  const models = columnsOf(report);
  const names = [...new Set(report.applications.map(({ application }) => application))].sort();
  const cell = ({ model, isPublished }: (typeof models)[number], application: string): string => {
    const found = report.applications.find(
      (each) => each.model === model && each.isPublished === isPublished && each.application === application,
    );
    return found ? found.rougeL.toFixed(3) : "–";
  };
  const rows = names.map(
    (application) => html`
<tr><th scope="row">${application}</th>${models.map((model) => html`<td>${cell(model, application)}</td>`)}</tr>`,
  );
  return html`${taskModels(report)}
<figure><figcaption>The applications with the most tasks</figcaption>${chart}</figure>
<details><summary>ROUGE-L of every model and application</summary>
${scrolling(
  "ROUGE-L by application",
  html`<table><thead><tr><th scope="col">application</th>${models.map(({ label }) => html`<th scope="col">${label}</th>`)}</tr></thead><tbody>${rows}</tbody></table>`,
)}</details>`;
}

/** Arms and published models, each once; an arm that is called like a published model is told apart. */
function columnsOf({ applications: rows }: ExperimentReport): { model: string; isPublished: boolean; label: string }[] {
  const found = new Map(rows.map(({ model, isPublished }) => [`${isPublished} ${model}`, { model, isPublished }]));
  return [...found.values()].map(({ model, isPublished }) => {
    const isShared = rows.some((each) => each.model === model && each.isPublished !== isPublished);
    return {
      model,
      isPublished,
      label: isShared ? `${model} (${isPublished ? "published" : "this experiment"})` : model,
    };
  });
}

/** Our arms and the published models on the same tasks, the best first. */
function taskModels(report: ExperimentReport): Html {
  const names = [...new Set(report.taskModels.flatMap(({ figures }) => Object.keys(figures)))];
  const sorted = [...report.taskModels].sort((a, b) => (b.figures.rougeL ?? 0) - (a.figures.rougeL ?? 0));
  const rows = sorted.map(({ model, isPublished, figures }) => {
    const title = report.arms.find(({ name }) => !isPublished && name === model)?.title ?? model;
    return html`
<tr><th scope="row">${isPublished ? model : html`<b>${title}</b>`}</th><td class="text">${isPublished ? "published answers" : "this experiment"}</td>${names.map((name) => html`<td>${name === "n" ? figures.n : shownValue(name, figures[name])}</td>`)}</tr>`;
  });
  return scrolling(
    "Our arms and the published models",
    html`<table><thead><tr><th scope="col">model</th><th scope="col" class="text">answers</th>${names.map((name) => html`<th scope="col">${name === "n" ? "tasks" : styleOf(name).label}</th>`)}</tr></thead><tbody>${rows}</tbody></table>`,
  );
}

/** One chart for each data set, so that arms on the same rows are compared. */
function losses(report: ExperimentReport): Html | undefined {
  if (report.losses.length === 0) return undefined;
  const dataOf = (curve: LossCurve): string => report.arms.find(({ name }) => name === curve.arm)?.data ?? "";
  const groups = [...new Set(report.losses.map(dataOf))];
  const figures = groups.map((group) => {
    const curves = report.losses.filter((curve) => dataOf(curve) === group);
    const kinds = new Map<string, number>();
    const dashes = new Map(
      curves.map((curve) => {
        const kind = report.arms.find(({ name }) => name === curve.arm)?.kind ?? "text";
        const place = kinds.get(kind) ?? 0;
        kinds.set(kind, place + 1);
        return [curve, dashOf(place)];
      }),
    );
    const keys = curves.map((curve) => {
      const arm = report.arms.find(({ name }) => name === curve.arm);
      const label = `${arm?.title ?? curve.arm}${curve.seed === undefined ? "" : `, seed ${curve.seed}`}`;
      return colourKey(label, colourOf(arm), dashes.get(curve));
    });
    const isLong = groups.length > 1;
    return html`<figure>${lossChart(curves, report.arms, { isSmall: isLong, dash: (curve) => dashes.get(curve) ?? "" })}
<figcaption>${isLong ? html`<b>${group}</b>: ` : undefined}${keys}</figcaption></figure>`;
  });
  return groups.length > 1 ? html`<div class="charts">${figures}</div>` : figures[0];
}

function lengths(report: ExperimentReport): Html | undefined {
  const groups = [...new Set(report.lengths.map(({ evaluation, suite }) => `${evaluation}\n${suite}`))];
  if (groups.length === 0) return undefined;
  const charts = groups.map((group) => {
    const own = report.lengths.filter(({ evaluation, suite }) => `${evaluation}\n${suite}` === group);
    return html`<figure><figcaption>${own[0]!.suite}</figcaption>${lengthChart(own, report.arms)}</figure>`;
  });
  return html`<div class="charts">${charts}</div>
<p class="end">Thick line: median; bar: the middle half; thin line: 5 to 95 %.</p>`;
}

function data(report: ExperimentReport): Html | undefined {
  if (report.data.length === 0) return undefined;
  const rows = report.data.map(
    ({ name, kind, rows, promptWords, responseWords, counts, notes }) => html`
<tr><th scope="row">${name}</th><td class="text">${kind}</td><td>${rows}</td><td>${promptWords.mean.toFixed(1)}</td><td>${responseWords.mean.toFixed(1)}</td><td class="text">${
      Object.entries(counts)
        .map(([key, value]) => `${key.replaceAll("_", " ")} ${Number(value.toPrecision(4))}`)
        .concat(notes)
        .join(", ") || "–"
    }</td></tr>`,
  );
  const prompts = dataPrompts(report);
  const charts = report.data.flatMap((entry) => {
    const chart = wordsChart(entry);
    return chart ? [html`<figure><figcaption>${entry.name}</figcaption>${chart}</figure>`] : [];
  });
  return html`${scrolling(
    "Data",
    html`<table><thead><tr><th scope="col">data</th><th scope="col" class="text">made by</th><th scope="col">rows</th><th scope="col">words a prompt</th><th scope="col">words a response</th><th scope="col" class="text">counts</th></tr></thead><tbody>${rows}</tbody></table>`,
  )}
${prompts.length > 0 ? html`<p class="end">${prompts.join(". ")}.</p>` : undefined}
<div class="charts">${charts}</div>`;
}

function allFigures(report: ExperimentReport): Html | undefined {
  if (report.scores.length === 0) return undefined;
  const rows = report.scores.map(
    (score) => html`
<tr><th scope="row">${score.evaluation}</th><td class="text">${score.suite}</td><td class="text">${styleOf(score.metric).label}</td><td class="text">${score.arm}</td><td>${shownValue(score.metric, score.value)}</td><td>${shownValue(score.metric, score.sampling)}</td><td>${shownValue(score.metric, score.runToRun)}</td><td>${score.low === null ? "–" : `${shownValue(score.metric, score.low)} to ${shownValue(score.metric, score.high)}`}</td><td>${score.n}</td><td>${score.missing}</td><td class="published">${publishedText(score)}</td></tr>`,
  );
  return html`<details><summary>${report.scores.length} figures, also in report.csv</summary>
${scrolling(
  "All figures",
  html`<table><thead><tr><th scope="col">evaluation</th><th scope="col" class="text">suite</th><th scope="col" class="text">figure</th><th scope="col" class="text">arm</th><th scope="col">value</th><th scope="col">± of rows</th><th scope="col">± of seeds</th><th scope="col">95 % interval</th><th scope="col">n</th><th scope="col">missing</th><th scope="col">published</th></tr></thead><tbody>${rows}</tbody></table>`,
)}</details>`;
}
