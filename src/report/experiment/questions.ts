import { type Html, html } from "../html.js";
import type { Answer, ExperimentReport, Question } from "./report-data.js";

/** Every question with all arms' answers beside each other, and a search over them. */
export function answersSection(report: ExperimentReport): Html | undefined {
  const { questions } = report;
  if (questions.length === 0) return undefined;
  const suites = [...new Set(questions.map(suiteOf))];
  const titles = new Map(report.arms.map(({ name, title }) => [name, title]));
  const cards = questions.map((question, n) => questionCard(question, n, titles, suites.length > 1));
  const folded = cards.slice(OPEN);
  return html`<p id="search" hidden><label>Search questions and answers <input type="search" id="words" autocomplete="off"></label>
<label>of <select id="suite"><option value="">all suites</option>${suites.map((suite) => html`<option>${suite}</option>`)}</select></label>
<span id="count" role="status"></span></p>
${cards.slice(0, OPEN)}
${folded.length ? html`<details id="more"><summary>${folded.length} more questions</summary>${folded}</details>` : undefined}`;
}

/** Questions that are shown at once; the others are folded, or the page would be endless. */
const OPEN = 6;

const suiteOf = ({ evaluation, suite }: Question): string =>
  evaluation === suite ? suite : `${evaluation} / ${suite}`;

function questionCard(question: Question, n: number, titles: ReadonlyMap<string, string>, showSuite: boolean): Html {
  const suite = suiteOf(question);
  return html`
<article class="question" aria-labelledby="q${n + 1}" data-suite="${suite}">
${showSuite ? html`<p class="from">${suite}</p>` : undefined}
<h3 id="q${n + 1}" dir="auto">${question.instruction}</h3>
${question.expected === undefined ? undefined : html`<p class="expected">Expected: <b dir="auto">${question.expected}</b></p>`}
<div class="answers">${question.answers.map((answer) => answerCell(answer, titles.get(answer.arm) ?? answer.arm))}
</div>
</article>`;
}

function answerCell({ text, notes }: Answer, title: string): Html {
  const shown = text.trim();
  const body =
    shown === ""
      ? html`<p class="end">(${text === "" ? "empty" : "only white space"})</p>`
      : html`<p class="text" dir="auto" tabindex="0">${shown}</p>`;
  return html`
<div class="answer"><h4>${title}</h4>
${body}
${notes.length > 0 ? html`<p class="end">${notes.join(" · ")}</p>` : undefined}</div>`;
}
