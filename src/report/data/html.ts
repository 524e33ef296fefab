import { type Html, html, htmlPage } from "../html.js";
import { PAGE_STYLE } from "../page-style.js";
import { histogramChart } from "./charts.js";
import type { DataFigures, LengthFigures } from "./figures.js";
import { sunburst } from "./sunburst.js";
import { notes, number, type ReportTable, reportTables, type TableSubject } from "./tables.js";

const STYLE = `${PAGE_STYLE}
.charts { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); margin: 1rem 0; }
figure { break-inside: avoid; } figcaption { font-weight: 600; margin-bottom: .25rem; }
.charts svg { width: 100%; max-width: 560px; height: auto; }
.sunburst { display: block; margin: 1rem auto; max-width: 640px; width: 100%; height: auto; }
.sunburst path { stroke: var(--paper); }
th:first-child, td:first-child { text-align: left; white-space: normal; font-weight: normal; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
.prose td, .prose th { text-align: left; white-space: normal; vertical-align: top; overflow-wrap: anywhere; }
section { break-inside: avoid-page; }
.notes { color: var(--soft); max-width: 60rem; }
`;

/** Tables whose cells are text and not figures alone. */
const PROSE: readonly TableSubject[] = ["closest", "verbs", "tokens"];

/** The data report as one self-contained page that needs no JavaScript. */
export function dataReportHtml(figures: DataFigures, title: string): string {
  const body = html`<header>
<h1>${title}</h1>
<dl><div><dt>files</dt><dd>${figures.files.map((path) => path.split(/[/\\]/).slice(-2).join("/")).join(", ")}</dd></div></dl>
</header>
<main>
${reportTables(figures).map((table) => section(table, drawing(table.about, figures)))}<section aria-labelledby="notes" class="notes"><h2 id="notes">How to read this</h2>
<ul>${notes(figures).map((note) => html`<li>${note}</li>`)}</ul>
</section>
</main>`;
  return htmlPage({ title, body, style: STYLE });
}

/** A table under its heading, with its drawing before it. */
function section({ about, title, columns, rows }: ReportTable, before: Html | undefined): Html {
  const id = title.toLowerCase().replace(/[^a-z]+/g, "-");
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>
${before}
<div class="scroll" tabindex="0" role="region" aria-labelledby="${id}"><table class="${PROSE.includes(about) ? "prose" : ""}">
<thead><tr>${columns.map((column) => (column === "" ? html`<td></td>` : html`<th scope="col">${column}</th>`))}</tr></thead>
<tbody>${rows.map(
    ([name, ...cells]) => html`
<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`,
  )}
</tbody></table></div>
</section>
`;
}

/** What is drawn of a table's subject. */
function drawing(about: TableSubject, figures: DataFigures): Html | undefined {
  const { lengths, similarity, tokens } = figures;
  if (about === "lengths")
    return charts([
      lengthChart("Instructions", lengths.instructions, "instructions"),
      lengths.inputs && lengthChart("Inputs", lengths.inputs, "instances"),
      lengthChart("Outputs", lengths.outputs, "instances"),
    ]);
  if (about === "similarity")
    return charts([
      similarityChart("To the most similar other instruction", similarity.within.histogram),
      similarity.toSeeds && similarityChart("To the most similar seed task", similarity.toSeeds.histogram),
    ]);
  if (about === "verbs") return verbChart(figures);
  if (about === "tokens" && tokens) return charts([tokenChart(tokens)]);
  return undefined;
}

function charts(figures: (Html | null | undefined)[]): Html {
  return html`<div class="charts">${figures.filter((each) => each instanceof Object)}</div>`;
}

function figure(caption: string, chart: Html | undefined): Html | undefined {
  return chart && html`<figure><figcaption>${caption}</figcaption>${chart}</figure>`;
}

function lengthChart(name: string, { histogram, median, p90 }: LengthFigures, y: string): Html | undefined {
  const about = `Histogram of lengths in words: ${name}; median ${median}, 90 percent at most ${p90}.`;
  return figure(name, histogramChart(histogram, { x: "words", y, about }));
}

function similarityChart(name: string, histogram: DataFigures["similarity"]["within"]["histogram"]): Html | undefined {
  const about = `Histogram of the largest ROUGE-L similarity: ${name.toLowerCase()}.`;
  return figure(
    name,
    histogramChart(histogram, { x: "ROUGE-L F-measure", y: "instructions", about }, [
      { at: 0.7, text: "filter at 0.7" },
    ]),
  );
}

function tokenChart({ histogram, row, maxLength }: NonNullable<DataFigures["tokens"]>): Html | undefined {
  const about = `Histogram of row lengths in tokens; median ${row.median}.`;
  return figure(
    "Tokens of a row",
    histogramChart(histogram, { x: "tokens", y: "rows", about }, [{ at: maxLength, text: `limit ${maxLength}` }]),
  );
}

function verbChart({ verbs }: DataFigures): Html | undefined {
  const share = (count: number): string => `${((100 * count) / Math.max(1, verbs.instructions)).toFixed(0)} %`;
  return html`<p>Of ${number(verbs.instructions)} instructions ${share(verbs.withVerb)} have a root verb and ${share(verbs.withNoun)} a direct
object as well: ${number(verbs.distinctVerbs)} verbs, ${number(verbs.distinctPairs)} pairs. Shown are the 20 most frequent verbs with up to four
objects each.</p>
<figure>${sunburst(verbs.verbs)}</figure>`;
}
