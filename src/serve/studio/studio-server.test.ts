/** The studio over real HTTP: its pages, and what it shows of the runs folder. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ask } from "../../../tests/support/http-ask.js";
import { writeEvaluation, writeExperiment, writeReport, writeRun } from "../../../tests/support/studio-folder.js";
import { events, post, studioForTests } from "../../../tests/support/studio-server.js";
import type { Catalogue, StudioEvent } from "./wire.js";

const { start } = studioForTests();

describe("pages", () => {
  it("come with a strict policy, compressed, and are not sent twice", async () => {
    const { port } = await start();
    const page = await ask(port, "/");
    expect(page.status).toBe(200);
    const policy = page.headers["content-security-policy"]!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain("unsafe");
    expect(page.headers["x-content-type-options"]).toBe("nosniff");
    const packed = await ask(port, "/studio.js", { headers: { "Accept-Encoding": "gzip, br" } });
    expect(packed.headers["content-encoding"]).toBe("gzip");
    const again = await ask(port, "/studio.js", { headers: { "If-None-Match": packed.headers.etag! } });
    expect(again.status).toBe(304);
  });
});

describe("what is in the folder", () => {
  it("is listed and told as it changes", async () => {
    const { runs, url } = await start();
    writeRun(join(runs, "a"), { mode: "rt", steps: 10, status: "running" });
    let grown = false;
    const seen = await events<StudioEvent>(`${url}/api/events?run=a`, (event) => {
      if (event.type === "metrics" && !grown) {
        grown = true;
        const line = { step: 11, epoch: 4, loss: 0.5, lr: 0, grad_norm: 1, tokens: 1, tokens_per_s: 1 };
        writeFileSync(join(runs, "a", "metrics.jsonl"), `${JSON.stringify(line)}\n`, { flag: "a" });
      }
      return event.type === "more";
    });
    const [first] = seen.filter((event) => event.type === "catalogue");
    // Nobody holds the lock of a run that says it is running.
    expect(first!.catalogue.runs[0]).toMatchObject({ id: "a", state: "lost", step: 10, steps: 10, cancellable: false });
    expect(seen.find((event) => event.type === "metrics")!.points).toHaveLength(10);
    expect(seen.at(-1)).toMatchObject({ type: "more", run: "a", points: [{ step: 11, loss: 0.5 }] });
  });

  it("shows evaluations, experiments, samples and reports, and passes over damaged records", async () => {
    const { runs, port } = await start();
    writeExperiment(join(runs, "x"));
    writeReport(join(runs, "x"));
    writeEvaluation(join(runs, "e"), "m", 0.5);
    mkdirSync(join(runs, "damaged"));
    for (const name of ["run.json", "results.json", "experiment.json"])
      writeFileSync(join(runs, "damaged", name), '{"a":');
    mkdirSync(join(runs, "strange"));
    for (const name of ["run.json", "results.json", "experiment.json"])
      writeFileSync(join(runs, "strange", name), "[null]");
    const found = JSON.parse((await ask(port, "/api/catalogue")).text) as Catalogue;
    expect(found.runs.map(({ id }) => id)).toEqual(["x/steps/train.it"]);
    expect(found.evaluations.map(({ id }) => id)).toEqual(["e", "x/steps/eval.it"]);
    expect(found.reports).toEqual([{ id: "x" }]);
    expect(found.experiments[0]).toMatchObject({
      id: "x",
      name: "refinement",
      done: 5,
      running: 1,
      failed: 1,
      total: 8,
    });
    const detail = JSON.parse((await ask(port, "/api/experiment?id=x")).text);
    expect(detail.steps.find((step: { id: string }) => step.id === "train.it").link).toEqual({
      page: "run",
      id: "x/steps/train.it",
    });
    const page = JSON.parse(
      (await ask(port, "/api/samples?id=e/samples/arc_easy.jsonl&search=rivers&filter=acc%3D1&limit=3")).text,
    );
    expect(page.rows.length).toBeLessThanOrEqual(3);
    expect(page.total).toBe(60);
    const run = JSON.parse((await ask(port, "/api/run?id=x/steps/train.it")).text);
    expect(run.recipe).toContain("bundled:mini");
    expect(run.facts).toContainEqual(["seed", "0"]);
  });

  it("opens a report by a key, in a sandbox without origin", async () => {
    const { runs, port } = await start();
    writeReport(join(runs, "x"));
    const { url } = JSON.parse((await post(port, "/api/report", { id: "x" })).text) as { url: string };
    expect(url).toMatch(/^\/report\/[\w-]{32}$/);
    const report = await ask(port, url);
    expect(report.text).toContain("<h1>");
    const policy = report.headers["content-security-policy"]!;
    expect(policy).toContain("sandbox allow-scripts;");
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("allow-same-origin");
    expect((await ask(port, "/report/0123456789")).status).toBe(404);
    expect((await post(port, "/api/report", { id: "y" })).status).toBe(404);
  });
});
