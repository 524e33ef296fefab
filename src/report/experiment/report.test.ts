import fc from "fast-check";
import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { publishedText, resultTables, withError } from "./figures.js";
import { experimentHtml } from "./html.js";
import type { ExperimentReport, Score } from "./report-data.js";
import { experimentCsv, experimentMarkdown, experimentTerminal } from "./text.js";

const score = (arm: string, metric: string, value: number | null, more: Partial<Score> = {}): Score => ({
  arm,
  evaluation: "core",
  suite: "piqa",
  metric,
  value,
  stderr: 0.0123,
  sampling: 0.0123,
  runToRun: null,
  low: null,
  high: null,
  n: 100,
  missing: 0,
  seeds: 1,
  ...more,
});

/** A report with `text` in every place that data can reach. */
function sample(text = "x"): ExperimentReport {
  const histogram = { mean: 3, edges: [0, 5], counts: [2, 1] };
  return {
    name: "e",
    title: text,
    description: text,
    notes: ["A <b>stand-in</b>."],
    smoke: true,
    facts: [[text, text]],
    absent: [{ id: "eval.rt.judged", status: "failed", error: text }],
    arms: [
      { name: "base", title: `base ${text}`, kind: "untuned", model: text, changes: [], seeds: [] },
      { name: "rt", title: `RT ${text}`, kind: "rt", model: text, data: text, changes: [`lora.r=${text}`], seeds: [0] },
    ],
    evaluations: [
      {
        name: "core",
        title: `Core ${text}`,
        judge: text,
        limit: 100,
        reference: text,
        ownRows: [text],
        extents: [`piqa: 100 of 1,838 rows ${text}`],
      },
    ],
    scores: [
      score("base", "acc", 0.5),
      score("rt", "acc", 0.625, { published: { value: 0.75, source: 0 }, missing: 3 }),
      score("rt", "acc_norm", null, { stderr: null, published: { value: null, source: 0 } }),
      score("base", "safe_refusal_rate", 0.1, { suite: "xstest" }),
      score("base", "unsafe_defense_rate", 0.9, { suite: "xstest" }),
    ],
    losses: [
      {
        arm: "rt",
        points: [
          { step: 1, loss: 2 },
          { step: 2, loss: 1.25 },
        ],
        validation: [{ step: 2, loss: 1.5 }],
      },
    ],
    lengths: [{ arm: "rt", evaluation: "core", suite: text, n: 2, mean: 5, quantiles: [1, 2, 3, 4, 5] }],
    applications: [
      { evaluation: "core", model: "rt", isPublished: false, application: text, n: 2, bleu: 10, rougeL: 0.25 },
      {
        evaluation: "core",
        model: "text-davinci-003",
        isPublished: true,
        application: text,
        n: 2,
        bleu: 20,
        rougeL: 0.5,
      },
    ],
    taskModels: [
      { evaluation: "core", model: "rt", isPublished: false, figures: { n: 2, bleu: 10, rougeL: 0.25 } },
      { evaluation: "core", model: text, isPublished: true, figures: { n: 2, bleu: 20, rougeL: 0.5 } },
    ],
    data: [
      {
        name: text,
        kind: "mix",
        rows: 3,
        notes: [`dolly: 3,306 of 15,011 rows ${text}`],
        counts: { refusals: 2 },
        promptWords: histogram,
        responseWords: histogram,
      },
    ],
    questions: [
      {
        evaluation: "core",
        suite: "instruct",
        instruction: text,
        expected: text,
        answers: [
          { arm: "base", text: `${text}\nmore`, notes: ["8 tokens", "cut off at the limit"] },
          { arm: "rt", text: "", notes: [] },
        ],
      },
    ],
    published: [
      {
        source: text,
        url: "https://example.org/paper",
        note: text,
        tables: [{ title: text, note: text, columns: [text, "b"], rows: { [`r${text}`]: [text, 0.5] } }],
      },
    ],
  };
}

describe("figures", () => {
  it("writes values in the units people read, with their errors and the published ones", () => {
    const [table] = resultTables(sample());
    expect(table!.columns).toEqual([
      { suite: "piqa", metric: "acc", hasPublished: true },
      { suite: "xstest", metric: "unsafe_defense_rate", hasPublished: false },
      { suite: "xstest", metric: "safe_refusal_rate", hasPublished: false },
    ]);
    const [base, rt] = table!.rows;
    expect(base!.scores.map(withError)).toEqual(["50.0 ± 1.2", "90.0 ± 1.2", "10.0 ± 1.2"]);
    expect(rt!.scores.map(withError)).toEqual(["62.5 ± 1.2", "–", "–"]);
    expect(publishedText(rt!.scores[0])).toBe("75.0");
    expect(publishedText(base!.scores[0])).toBe("–");
    expect(publishedText(score("rt", "acc", 1, { published: { value: null, source: 0 } }))).toBe("not at hand");
  });

  it("puts evaluations of one title into one table", () => {
    const report = sample();
    report.evaluations.push({ name: "more", title: report.evaluations[0]!.title, ownRows: [], extents: [] });
    report.scores.push(score("rt", "win_rate", 51.26, { evaluation: "more", suite: "alpaca_eval", stderr: 1.5 }));
    const tables = resultTables(report);
    expect(tables).toHaveLength(1);
    expect(withError(tables[0]!.rows[1]!.scores.at(-1))).toBe("51.3 ± 1.5");
  });
});

it("says in every form what is less than a whole set", () => {
  const report = sample();
  const unescaped = (form: string): string => form.replaceAll("\\", "");
  for (const form of [experimentHtml(report), unescaped(experimentMarkdown(report)), experimentTerminal(report)])
    for (const part of ["piqa: 100 of 1,838 rows", "dolly: 3,306 of 15,011 rows"]) expect(form).toContain(part);
});

describe("tables hide nothing", () => {
  const two = (more: object[]): ExperimentReport => {
    const report = sample();
    report.evaluations = more.map((each, i) => ({ name: `e${i}`, title: "Judged", ownRows: [], extents: [], ...each }));
    report.scores = report.evaluations.map(({ name }, i) => score("rt", "win_rate", 40 + i, { evaluation: name }));
    return report;
  };

  it("two judges with one title have a table each, named by the judge", () => {
    const tables = resultTables(two([{ judge: "a" }, { judge: "b" }]));
    expect(tables.map(({ title }) => title)).toEqual(["Judged: judge a", "Judged: judge b"]);
    expect(tables.map(({ rows }) => rows[0]!.scores[0]!.value)).toEqual([40, 41]);
  });

  it("so have two limits, and evaluations that differ in nothing that is shown go by their names", () => {
    expect(resultTables(two([{ limit: 5 }, {}])).map(({ title }) => title)).toEqual([
      "Judged: 5 rows",
      "Judged: all rows",
    ]);
    expect(resultTables(two([{}, {}])).map(({ title }) => title)).toEqual(["Judged: e0", "Judged: e1"]);
  });

  it("arms of one title are told apart by their names", () => {
    const report = two([{}]);
    for (const arm of report.arms) arm.title = "RT";
    report.scores.push(score("base", "win_rate", 1, { evaluation: "e0" }));
    expect(resultTables(report)[0]!.rows.map(({ title }) => title)).toEqual(["RT (base)", "RT (rt)"]);
  });

  it("says how a figure was worked out, in every form", () => {
    const report = two([{}]);
    report.scores[0]!.how = "fitted without difficulties";
    expect(experimentCsv(report)).toContain(",fitted without difficulties");
    expect(experimentMarkdown(report)).toContain("fitted without difficulties");
    expect(experimentHtml(report)).toContain("fitted without difficulties");
  });
});

describe("experimentCsv", () => {
  it("has every figure in its own units, quoted where need be", () => {
    const lines = experimentCsv(sample('a "b", c')).trimEnd().split("\r\n");
    expect(lines).toHaveLength(6);
    expect(lines[2]).toBe('core,piqa,acc,rt,0.625,0.0123,100,3,1,0.75,"a ""b"", c",0.0123,,,,,');
    expect(lines[3]).toBe('core,piqa,acc_norm,rt,,,100,0,1,not at hand,"a ""b"", c",0.0123,,,,,');
  });
});

describe("experimentMarkdown", () => {
  it("keeps tables and code blocks whole whatever the text", () => {
    const text = experimentMarkdown(sample("a | b\n# c\n````\n<script>"));
    expect(text).toContain("`````text\na | b\n# c\n````\n<script>\nmore\n`````");
    const rows = text.split("\n").filter((line) => line.startsWith("| "));
    const widths = rows.map((line) => line.match(/(?<!\\)\|/g)!.length);
    expect(new Set(widths.slice(0, 4))).toEqual(new Set([6]));
  });
});

describe("experimentMarkdown's command", () => {
  it("stands as it is typed", () => {
    const given = { ...sample(), facts: [["run again", "evoke run a_b.yaml --smoke"]] as [string, string][] };
    expect(experimentMarkdown(given)).toContain("- run again: `evoke run a_b.yaml --smoke`\n");
    const odd = { ...given, facts: [["run again", "evoke run '`x`'"]] as [string, string][] };
    expect(experimentMarkdown(odd)).toContain("- run again: ``evoke run '`x`'``\n");
    expect(experimentHtml(given)).toContain("<code>evoke run a_b.yaml --smoke</code>");
  });
});

describe("experimentTerminal", () => {
  it("turns a table round where it is too wide, and keeps answers on single lines", () => {
    const wide = experimentTerminal(sample(), { width: 200 });
    expect(wide).toMatch(/^base x\s+50\.0 ± 1\.2/m);
    const narrow = experimentTerminal(sample(), { width: 40 });
    expect(narrow).toMatch(/^piqa: accuracy, %\s+50\.0 ± 1\.2\s+62\.5 ± 1\.2$/m);
    expect(narrow).toContain("? x\n  base  x more […]\n");
  });

  it("lets no control character through", () => {
    const text = experimentTerminal(sample("\x1b[2J\x07\u009b31m\u202eevil"));
    expect(text).toContain("evil");
    expect(text).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
  });
});

describe("experimentHtml", () => {
  it("can be read without scripts, loads nothing, and says every chart in words", () => {
    const page = experimentHtml(sample());
    const { document } = parseHTML(page);
    expect(document.querySelectorAll("article.question")).toHaveLength(1);
    expect(document.querySelector("#search")?.hasAttribute("hidden")).toBe(true);
    expect(page).not.toMatch(/\bsrc=|url\(|@import/);
    const charts = [...document.querySelectorAll("figure > svg[role=img]")].map((svg) =>
      svg.getAttribute("aria-label"),
    );
    expect(charts).toHaveLength(8);
    expect(charts[0]).toBe("piqa, accuracy, %: base x 50.0 ± 1.2; RT x 62.5 ± 1.2 (published 75.0).");
    expect(charts).toContain("Training loss by step: rt from 2.00 to 1.25 at step 2.");
    expect(charts).toContain("Refusal against over-refusal: base x refuses 90 % of unsafe and 10 % of safe requests.");
    for (const link of document.querySelectorAll("nav a")) {
      const target = link.getAttribute("href")!.slice(1);
      expect(document.getElementById(target), target).not.toBeNull();
    }
    for (const table of document.querySelectorAll("table"))
      expect(table.querySelectorAll("thead th[scope]").length).toBeGreaterThan(1);
  });

  it("leaves out what an experiment does not have", () => {
    const bare = {
      ...sample(),
      scores: [],
      losses: [],
      lengths: [],
      applications: [],
      data: [],
      questions: [],
      published: [],
    };
    const { document } = parseHTML(experimentHtml(bare));
    expect([...document.querySelectorAll("h2")].map((head) => head.textContent)).toEqual(["What is compared"]);
  });

  it("shows any text as text", () => {
    const structure = (page: string) =>
      [...parseHTML(page).document.querySelectorAll("*")].map((node) => node.localName);
    const expected = structure(experimentHtml(sample("x")));
    const bits = [
      "<script>alert(1)</script>",
      "</title>",
      "</style>",
      "</svg>",
      "<!--",
      "]]>",
      '" onload="x',
      "' x='",
      "&lt;",
      "\0",
    ];
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(...bits), fc.string()), { minLength: 1, maxLength: 5 }),
        (parts) => {
          expect(structure(experimentHtml(sample(`x${parts.join("")}`)))).toEqual(expected);
        },
      ),
      { numRuns: 15 },
    );
  });
});
