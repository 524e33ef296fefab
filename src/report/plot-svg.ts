import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { type Html, Html as RawHtml } from "./html.js";

/**
 * A chart as an SVG element that follows the page's width and colours, drawn without a browser.
 *
 * @param label the chart in words, for those who do not see it.
 */
export function plotSvg(options: Plot.PlotOptions, label: string): Html {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const svg = Plot.plot({
    document,
    ...options,
    style: { fontSize: "13px", background: "transparent" },
  });
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  svg.removeAttribute("height");
  return new RawHtml(svg.outerHTML);
}
