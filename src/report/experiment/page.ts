import { PAGE_STYLE } from "../page-style.js";

/** Style of an experiment's page. */
export const EXPERIMENT_STYLE = `${PAGE_STYLE}
.lead { max-width: 60rem; }
.note { padding: .6rem .9rem; border: 1px solid var(--line); border-left: .3rem solid var(--curve-1); border-radius: .3rem;
  background: var(--card); max-width: 60rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; margin: 1rem 0 0; list-style: none; }
a { color: var(--focus); }
caption { text-align: left; color: var(--soft); font-size: .85rem; padding-bottom: .3rem; caption-side: top; white-space: nowrap; }
.results { font-size: .95rem; } .results th, .results td { padding-right: .65rem; }
/* A shade at the right edge while there is more to the right. */
.scroll { background: linear-gradient(to left, var(--paper) 40%, transparent) right / 2.5rem 100% no-repeat local,
  linear-gradient(to left, var(--line), transparent) right / 1rem 100% no-repeat scroll; }
section > figure { margin-top: 1.25rem; } section > h3 { margin-top: 1.5rem; }
th[scope="colgroup"] { text-align: left; padding-left: .9rem; }
.scroll th[scope="row"] { position: sticky; left: 0; background: var(--paper); }
td.text, th.text { text-align: left; white-space: normal; }
.published { color: var(--soft); }
.charts { display: grid; gap: 1rem 2rem; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); margin-top: 1rem; }
.charts figure { break-inside: avoid; min-width: 0; }
figcaption { font-size: .9rem; color: var(--soft); }
.charts figcaption { font-weight: 600; color: var(--ink); margin-bottom: .2rem; overflow-wrap: anywhere; }
.keys { margin: .25rem 0 0; font-size: .9rem; }
dd code { font: .9em/1.5 ui-monospace, monospace; white-space: pre-wrap; }
.key { display: inline-flex; gap: .4rem; align-items: center; margin-right: 1.25rem; color: var(--ink); }
summary { cursor: pointer; padding: .4rem 0; }
.question { margin: 1rem 0; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; break-inside: avoid; }
.question .from { margin: 0 0 .25rem; font-size: .85rem; color: var(--soft); }
.expected { margin: 0 0 .5rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.answers { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(min(16rem, 100%), 1fr)); }
.answer { padding: .75rem; border-radius: .4rem; background: var(--card); min-width: 0; }
.answer .text { margin: .25rem 0; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 24rem; overflow-y: auto; }
.end { margin: 0; font-size: .85rem; color: var(--soft); overflow-wrap: anywhere; }
label { display: inline-flex; gap: .5rem; align-items: center; }
@media (max-width: 40rem) { label { flex-wrap: wrap; } caption { white-space: normal; } }
input, select { font: inherit; padding: .35rem .5rem; color: inherit; background: var(--card); border: 1px solid var(--soft);
  border-radius: .3rem; max-width: 100%; }
input[type="search"] { min-width: min(16rem, 100%); }
#search { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; align-items: center; }
[hidden] { display: none !important; }
@media (max-width: 40rem) { dl div { flex-direction: column; gap: 0; } dl { gap: .5rem; } }
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  body { font-size: .85rem; } .charts { grid-template-columns: repeat(3, 1fr); }
  .scroll { overflow: visible; background: none; } .scroll th[scope="row"] { position: static; }
  table { font-size: .62rem; } th, td, .results th, .results td { padding-right: .4rem; } th { white-space: normal; }
  tr, figure { break-inside: avoid; } h2, h3, figcaption { break-after: avoid; }
  #search, nav { display: none; } .answer { border: 1px solid var(--line); }
  .answer .text { max-height: none; overflow: visible; }
}
`;

/** The search: shows the questions of the chosen suite that hold every word typed, in question or answers. */
export const EXPERIMENT_SCRIPT = `
const cards = [...document.querySelectorAll(".question")].map((card) => [card, card.textContent.toLowerCase()]);
const words = document.getElementById("words");
const suite = document.getElementById("suite");
const more = document.getElementById("more");
const show = () => {
  const wanted = words.value.toLowerCase().split(/\\s+/).filter(Boolean);
  if (more && (wanted.length > 0 || suite.value !== "")) more.open = true;
  let shown = 0;
  for (const [card, text] of cards) {
    card.hidden = (suite.value !== "" && card.dataset.suite !== suite.value) || !wanted.every((word) => text.includes(word));
    if (!card.hidden) shown++;
  }
  document.getElementById("count").textContent = shown + " of " + cards.length;
};
if (more) addEventListener("beforeprint", () => (more.open = true));
if (words) {
  document.getElementById("search").hidden = false;
  words.addEventListener("input", show);
  suite.addEventListener("change", show);
  show();
}
`;
