import { type Html, html, htmlPage } from "../html.js";
import { PAGE_STYLE } from "../page-style.js";
import { histogramChart } from "./charts.js";
import type { DataFigures, LengthFigures } from "./figures.js";
import { sunburst } from "./sunburst.js";
import {
  closestTable,
  countsTable,
  duplicatesTable,
  languagesTable,
  lengthsTable,
  notes,
  type ReportTable,
  similarityTable,
  sourcesTable,
  tokensTable,
  verbsTable,
} from "./tables.js";

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

/** The data report as one self-contained page that needs no JavaScript. */
export function dataReportHtml(figures: DataFigures, title: string): string {
  const { similarity, tokens } = figures;
  const body = html`<header>
<h1>${title}</h1>
<dl><div><dt>files</dt><dd>${figures.files.map((path) => path.split(/[/\\]/).slice(-2).join("/")).join(", ")}</dd></div></dl>
</header>
<main>
${section(countsTable(figures))}
${section(
  lengthsTable(figures),
  charts([
    lengthChart("Instructions", figures.lengths.instructions, "instructions"),
    figures.lengths.inputs && lengthChart("Inputs", figures.lengths.inputs, "instances"),
    lengthChart("Outputs", figures.lengths.outputs, "instances"),
  ]),
)}
${section(
  similarityTable(figures),
  charts([
    similarityChart("To the most similar other instruction", similarity.within.histogram),
    similarity.toSeeds && similarityChart("To the most similar seed task", similarity.toSeeds.histogram),
  ]),
)}
${section(closestTable(figures), undefined, "prose")}
${section(verbsTable(figures), verbChart(figures), "prose")}
${section(duplicatesTable(figures))}
${section(languagesTable(figures))}
${
  tokens === null
    ? undefined
    : section(
        tokensTable(figures)!,
        charts([
          figure(
            "Tokens of a row",
            histogramChart(
              tokens.histogram,
              { x: "tokens", y: "rows", about: `Histogram of row lengths in tokens; median ${tokens.row.median}.` },
              [{ at: tokens.maxLength, text: `limit ${tokens.maxLength}` }],
            ),
          ),
        ]),
        "prose",
      )
}
${section(sourcesTable(figures))}
<section aria-labelledby="notes" class="notes"><h2 id="notes">How to read this</h2>
<ul>${notes(figures).map((note) => html`<li>${note}</li>`)}</ul>
</section>
</main>`;
  return htmlPage({ title, body, style: STYLE });
}

/** A table under its heading, with what goes before it; nothing for a table without rows. */
function section({ title, columns, rows }: ReportTable, before?: Html, kind = ""): Html | undefined {
  if (rows.length === 0) return undefined;
  const id = title.toLowerCase().replace(/[^a-z]+/g, "-");
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>
${before}
<div class="scroll" tabindex="0" role="region" aria-labelledby="${id}"><table class="${kind}">
<thead><tr>${columns.map((column) => (column === "" ? html`<td></td>` : html`<th scope="col">${column}</th>`))}</tr></thead>
<tbody>${rows.map(
    ([name, ...cells]) => html`
<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`,
  )}
</tbody></table></div>
</section>`;
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

function verbChart({ verbs }: DataFigures): Html | undefined {
  const share = (count: number): string => `${((100 * count) / Math.max(1, verbs.instructions)).toFixed(0)} %`;
  return html`<p>Of ${verbs.instructions.toLocaleString("en-US")} instructions ${share(verbs.withVerb)} have a root verb and ${share(verbs.withNoun)} a direct
object as well: ${verbs.distinctVerbs.toLocaleString("en-US")} verbs, ${verbs.distinctPairs.toLocaleString("en-US")} pairs. Shown are the 20 most frequent verbs with up to four
objects each.</p>
<figure>${sunburst(verbs.verbs)}</figure>`;
}
