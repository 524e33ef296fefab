import { PAGE_STYLE } from "./page-style.js";

/** Style of the comparison page. */
export const COMPARISON_STYLE = `${PAGE_STYLE}
.key { margin-right: 1.25rem; white-space: nowrap; }
.question { margin: 1rem 0; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; break-inside: avoid; }
.expected { margin: 0 0 .5rem; }
.answers { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(min(16rem, 100%), 1fr)); }
.answer { padding: .75rem; border-radius: .4rem; background: var(--card); }
.text { margin: .25rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.end { margin: 0; font-size: .85rem; color: var(--soft); }
label { display: inline-flex; gap: .5rem; align-items: center; flex-wrap: wrap; }
input { font: inherit; padding: .35rem .5rem; min-width: 16rem; color: inherit; background: var(--card);
  border: 1px solid var(--soft); border-radius: .3rem; }
@media print {
  #search { display: none; } .answer { border: 1px solid var(--line); }
}
`;

/** The search: shows the questions that hold every word typed, in question or answers. */
export const COMPARISON_SCRIPT = `
const cards = [...document.querySelectorAll(".question")].map((card) => [card, card.textContent.toLowerCase()]);
const words = document.getElementById("words");
const show = () => {
  const wanted = words.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  for (const [card, text] of cards) {
    card.hidden = !wanted.every((word) => text.includes(word));
    if (!card.hidden) shown++;
  }
  document.getElementById("count").textContent = shown + " of " + cards.length;
};
document.getElementById("search").hidden = false;
words.addEventListener("input", show);
show();
`;
