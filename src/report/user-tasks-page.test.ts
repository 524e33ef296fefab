import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import type { ModelScores } from "../eval/suites/user-tasks.js";
import { userTasksPage } from "./user-tasks-page.js";

const scores = (bleu: number, rougeL: number, more: { bertscoreF1?: number } = {}): ModelScores => ({
  n: 3,
  bleu,
  rougeL,
  ...more,
  applications: { "Mail <b>": { n: 2, bleu, rougeL, ...more }, Maps: { n: 1, bleu: bleu / 2, rougeL, ...more } },
});
const facts = [["rows", "3"]] as const;

describe("userTasksPage", () => {
  it("shows every model's figures in tables and charts, overall and by application", () => {
    const models = {
      "mine <i>": scores(12.5, 0.3, { bertscoreF1: 0.5 }),
      theirs: scores(20, 0.45, { bertscoreF1: 0.625 }),
    };
    const text = userTasksPage({ own: "mine <i>", models, facts });
    expect(text).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
    const { document } = parseHTML(text);
    expect(document.querySelectorAll("i, b")).toHaveLength(0);
    const [overall, byRouge] = document.querySelectorAll("table");
    const cells = [...overall!.querySelectorAll("tbody tr")].map((row) => [...row.children].map((c) => c.textContent));
    expect(cells).toEqual([
      ["theirs", "3", "0.4500", "20.00", "0.6250"],
      ["mine <i>", "3", "0.3000", "12.50", "0.5000"],
    ]);
    expect(overall!.querySelector(".own th")!.textContent).toBe("mine <i>");
    expect(byRouge!.querySelectorAll("tbody tr")).toHaveLength(2);
    const charts = [...document.querySelectorAll("figure svg[role=img]")];
    expect(charts).toHaveLength(6);
    expect(charts[0]!.getAttribute("aria-label")).toBe("ROUGE-L of each model: theirs 0.4500, mine <i> 0.3000.");
    expect(charts[0]!.querySelectorAll("rect")).toHaveLength(2);
    expect(charts[3]!.querySelectorAll("circle")).toHaveLength(2);
    expect(charts[4]!.getAttribute("aria-label")).toContain("Maps 6.25");
  });

  it("leaves out BERTScore when it was not asked for, and does without own answers", () => {
    const text = userTasksPage({ own: "mine", models: { theirs: scores(20, 0.4) }, facts });
    expect(text).not.toContain("BERTScore");
    expect(parseHTML(text).document.querySelectorAll("figure svg")).toHaveLength(4);
  });
});
