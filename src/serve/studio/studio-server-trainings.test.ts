/** The studio over real HTTP: trainings that it starts, stops and resumes, and requests that it refuses. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ask } from "../../../tests/support/http-ask.js";
import { writeExperiment, writeRun } from "../../../tests/support/studio-folder.js";
import { errorOf, events, post, studioForTests } from "../../../tests/support/studio-server.js";
import type { StudioEvent } from "./wire.js";

const { base, files, tiny, start } = studioForTests();

describe("trainings", () => {
  it("start from a recipe with the settings given, and are cancelled", async () => {
    const argsFile = join(base, "args.json");
    process.env.STUDIO_TEST_ARGS = argsFile;
    try {
      const { runs, port, url } = await start();
      const settings = { mode: "rt", max_steps: 3, "optimizer.lr": 1e-3 };
      const answer = await post(port, "/api/train", { name: "mine", recipe: "own/it.yaml", settings });
      expect(answer).toMatchObject({ status: 200, text: '{"id":"mine"}' });
      const seen = await events<StudioEvent>(`${url}/api/events`, (event) => event.type === "catalogue");
      await expect.poll(() => existsSync(argsFile)).toBe(true);
      expect(seen[0]).toMatchObject({
        catalogue: { runs: [{ id: "mine", state: "starting", mode: "rt", model: tiny, cancellable: true }] },
      });
      expect((await post(port, "/api/cancel", { id: "mine" })).status).toBe(200);
      const after = await events<StudioEvent>(
        `${url}/api/events`,
        (event) => event.type === "catalogue" && event.catalogue.runs[0]?.state === "interrupted",
      );
      expect(after.length).toBeGreaterThan(0);
      expect(JSON.parse(readFileSync(argsFile, "utf8"))).toEqual([
        "train",
        expect.stringMatching(/own\/it\.yaml$/),
        "--out",
        expect.stringMatching(new RegExp(`${runs.split("/").at(-1)}/mine$`)),
        ...["--set", "mode=rt", "--set", "max_steps=3", "--set", "optimizer.lr=0.001"],
      ]);
    } finally {
      delete process.env.STUDIO_TEST_ARGS;
    }
  });

  it("start from the short form, which leaves a recipe that can be run again", async () => {
    const { runs, port } = await start();
    const request = {
      name: "short",
      model: `base:${tiny}`,
      data: "own/rows.jsonl",
      settings: { mode: "it", epochs: 1 },
    };
    expect((await post(port, "/api/train", request)).status).toBe(200);
    const recipe = readFileSync(join(runs, "short.recipe.yaml"), "utf8");
    expect(recipe).toContain("mode: it");
    expect(recipe).toContain("rows.jsonl");
  });

  it.each([
    ["a name that is a path", { name: "../x", recipe: "own/it.yaml" }, 400, /name/],
    ["a recipe outside", { name: "x", recipe: "own/../secret.yaml" }, 404, /no such file/],
    ["a link to outside", { name: "x", recipe: "own/linked.yaml" }, 404, /no such file/],
    ["a folder that was not given", { name: "x", recipe: "etc/passwd" }, 404, /no such file/],
    ["a recipe with a mistyped key", { name: "x", recipe: "own/bad.yaml" }, 400, /own\/bad\.yaml:2: .*modee.*mode/],
    [
      "data outside",
      { name: "x", model: "base:TINY", data: "own/../../secret.yaml", settings: {} },
      404,
      /no such file/,
    ],
    [
      "a model that is not offered",
      { name: "x", model: "pip:evil==1", data: "own/rows.jsonl", settings: {} },
      404,
      /no model/,
    ],
    [
      "a setting with a path",
      { name: "x", recipe: "own/it.yaml", settings: { "data.path": "/etc/passwd" } },
      400,
      /data\.path/,
    ],
    ["a value that is none", { name: "x", recipe: "own/it.yaml", settings: { max_steps: "1; rm" } }, 400, /max_steps/],
    ["two ways at once", { name: "x", recipe: "own/it.yaml", model: "m", data: "d" }, 400, /either/],
    ["both lengths", { name: "x", recipe: "own/it.yaml", settings: { max_steps: 1, epochs: 1 } }, 400, /either/],
    ["no object", [1], 400, /./],
  ])("refuse %s", async (_, request, status, message) => {
    const { port, runs } = await start();
    const answer = await post(port, "/api/train", JSON.parse(JSON.stringify(request).replace("TINY", tiny)));
    expect(answer.status).toBe(status);
    expect(errorOf(answer)).toMatch(message);
    expect(answer.text).not.toContain(base);
    expect(existsSync(join(runs, "x"))).toBe(false);
  });

  it("are made of recipes, rows and bases that are there, and of no records or experiments", async () => {
    const { runs, port } = await start();
    writeRun(join(runs, "a"), { mode: "it", steps: 3 });
    writeExperiment(join(runs, "x"));
    writeFileSync(join(files, "experiment.yaml"), "name: x\nmodels: { base: y }\ndata: { z: { path: q } }\n");
    const choices = JSON.parse((await ask(port, "/api/choices")).text);
    const ids = (list: { id: string }[]): string[] => list.map(({ id }) => id);
    expect(ids(choices.recipes)).toEqual(["own/bad.yaml", "own/it.yaml"]);
    expect(ids(choices.data).filter((id) => !id.includes("/samples/"))).toEqual(["own/rows.jsonl"]);
    expect(ids(choices.models)).toEqual([`base:${tiny}`, "base:bundled:mini"]);
  });

  it("resume only what was stopped", async () => {
    const { runs, port } = await start();
    writeRun(join(runs, "done"), { mode: "it", steps: 3 });
    writeRun(join(runs, "stopped"), { mode: "it", steps: 3, status: "interrupted" });
    expect((await post(port, "/api/resume", { id: "done" })).status).toBe(409);
    expect((await post(port, "/api/resume", { id: "none" })).status).toBe(404);
    expect((await post(port, "/api/resume", { id: "stopped" })).status).toBe(200);
    expect((await post(port, "/api/cancel", { id: "done" })).status).toBe(409);
  });
});
