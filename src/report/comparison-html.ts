import { answerOf, type ComparedQuestion, type Comparison, figureTable, isExact } from "./comparison.js";
import { COMPARISON_SCRIPT, COMPARISON_STYLE } from "./comparison-page.js";
import { type Html, html, htmlPage } from "./html.js";
import { curveColour, curveDash, lossChart } from "./loss-chart.js";

/** The comparison as one self-contained HTML page: readable without JavaScript, which adds the search. */
export function comparisonHtml(comparison: Comparison): string {
  const body = html`<header>
<h1>${comparison.title}</h1>
<dl>${comparison.facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</header>
<main>
${figures(comparison)}
${losses(comparison)}
<section aria-labelledby="answers">
<h2 id="answers">Answers side by side</h2>
<p id="search" hidden><label>Search questions and answers <input type="search" id="words" autocomplete="off"></label>
<span id="count" role="status"></span></p>
${comparison.questions.map((question, n) => questionCard(comparison, question, n))}
</section>
</main>`;
  return htmlPage({ title: comparison.title, body, style: COMPARISON_STYLE, script: COMPARISON_SCRIPT });
}

function figures(comparison: Comparison): Html {
  const { columns, rows } = figureTable(comparison);
  return html`<section aria-labelledby="figures">
<h2 id="figures">Figures</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="figures">
<table>
<thead><tr><th scope="col">model</th>${columns.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
<tbody>${rows.map(
    ({ name, cells }) => html`
<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`,
  )}
</tbody>
</table>
</div>
</section>`;
}

function losses(comparison: Comparison): Html | undefined {
  const curves = comparison.models.flatMap(({ name, lossCurve }) =>
    lossCurve?.length ? [{ name, points: lossCurve }] : [],
  );
  const chart = lossChart(curves);
  if (!chart) return undefined;
  return html`<section aria-labelledby="loss">
<h2 id="loss">Training loss</h2>
<figure>
${chart}
<figcaption>${curves.map(({ name }, n) => html`<span class="key"><svg width="34" height="10" aria-hidden="true"><line x1="1" x2="33" y1="5" y2="5" stroke="${curveColour(n)}" stroke-width="3" stroke-dasharray="${curveDash(n)}"/></svg> ${name}</span> `)}</figcaption>
</figure>
</section>`;
}

function questionCard(comparison: Comparison, question: ComparedQuestion, n: number): Html {
  return html`
<article class="question" aria-labelledby="q${n + 1}">
<h3 id="q${n + 1}" dir="auto">${question.instruction}</h3>
${question.expected === undefined ? undefined : html`<p class="expected">Expected: <b dir="auto">${question.expected}</b></p>`}
<div class="answers">${comparison.models.map(({ name }) => answerCell(question, name))}
</div>
</article>`;
}

function answerCell(question: ComparedQuestion, model: string): Html {
  const answer = answerOf(question, model);
  if (!answer)
    return html`
<div class="answer"><h4>${model}</h4><p class="end">no answer</p></div>`;
  const end = answer.finishReason === "stop" ? "ended by itself" : "cut off at the limit";
  const verdict = question.expected === undefined ? "" : isExact(question, answer) ? " · exact ✓" : " · not exact";
  return html`
<div class="answer"><h4>${model}</h4>
${answerText(answer.text)}
<p class="end">${answer.tokens} ${answer.tokens === 1 ? "token" : "tokens"} · ${end}${verdict}</p></div>`;
}

/** The text without the white space at its ends, which would only make tall empty boxes. */
function answerText(text: string): Html {
  const shown = text.trim();
  if (shown === "") return html`<p class="end">(${text === "" ? "empty" : "only white space"})</p>`;
  return html`<p class="text" dir="auto">${shown}</p>`;
}
