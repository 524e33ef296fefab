import { type Html, html } from "../html.js";

/** A table that scrolls by itself where it is wider than the page, with the keyboard too. */
export const scrolling = (label: string, table: Html): Html =>
  html`<div class="scroll" tabindex="0" role="region" aria-label="${label}">${table}</div>`;

/** A line of a chart and what it stands for. */
export const colourKey = (label: string, colour: string, dash = ""): Html =>
  html`<span class="key"><svg width="34" height="10" aria-hidden="true"><line x1="1" x2="33" y1="5" y2="5" stroke="${colour}" stroke-width="3" stroke-dasharray="${dash}"/></svg> ${label}</span> `;
