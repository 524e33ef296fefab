import { type Html, html } from "../html.js";
import { scrolling } from "./html-parts.js";
import type { ExperimentReport, PublishedTable } from "./report-data.js";

/** Where published figures are from, and published tables that nothing here corresponds to. */
export function publishedSection({ published }: ExperimentReport): Html | undefined {
  if (published.length === 0) return undefined;
  const sources = published.map(
    ({ source, url, note }) =>
      html`<li>${url ? html`<a href="${url}">${source}</a>` : source}${note ? `: ${note}` : ""}</li>`,
  );
  return html`<ul>${sources}</ul>
<p class="end">"not at hand": published, but the figure was not available to the authors of the experiment file. "–": none was published.</p>
${published.flatMap(({ tables }) => tables.map(publishedTable))}`;
}

function publishedTable({ title, note, columns, rows }: PublishedTable): Html {
  const lines = Object.entries(rows).map(
    ([name, cells]) => html`
<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`,
  );
  return html`<h3>${title}</h3>
<p class="end">Published${note ? `; ${note}` : ""}</p>
${scrolling(
  title,
  html`<table><thead><tr><th scope="col"></th>${columns.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead><tbody>${lines}</tbody></table>`,
)}`;
}
