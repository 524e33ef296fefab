/** The studio's server over real HTTP: what it answers, and what it refuses. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { writeEvaluation, writeExperiment, writeReport, writeRun } from "../../../tests/support/studio-folder.js";
import { writeTinyModel, writeTinyRows } from "../../../tests/support/tiny-model.js";
import { type RunningStudio, type StudioServerOptions, startStudio } from "./studio-server.js";
import type { Catalogue, ChatEvent, StudioEvent } from "./wire.js";

const TOKEN = "correct-horse-battery";
const base = mkdtempSync(join(tmpdir(), "evoke-studio-api-"));
const pages = join(base, "pages");
const files = join(base, "own");
const tiny = join(base, "tiny");
const running: RunningStudio[] = [];
let folders = 0;

beforeAll(() => {
  mkdirSync(pages);
  for (const name of ["index.html", "studio.js", "studio.css", "icon.svg"])
    writeFileSync(join(pages, name), `${name} `.repeat(99));
  writeTinyModel(tiny);
  mkdirSync(files);
  writeTinyRows(join(files, "rows.jsonl"), 20);
  writeFileSync(join(files, "it.yaml"), `model: ${tiny}\nmode: it\ndata: { path: rows.jsonl }\nmax_steps: 2\n`);
  writeFileSync(join(files, "bad.yaml"), "model: x\nmodee: it\ndata: { path: rows.jsonl }\n");
  writeFileSync(join(base, "secret.yaml"), "password: hunter22\n");
  symlinkSync(join(base, "secret.yaml"), join(files, "linked.yaml"));
});
afterAll(() => rmSync(base, { recursive: true }));
afterEach(async () => {
  for (const studio of running.splice(0)) await studio.close();
});

/** A child that leaves a word of its arguments and stays, as a training would. */
const PROGRAM = [
  process.execPath,
  "-e",
  `require("fs").writeFileSync(process.env.STUDIO_TEST_ARGS ?? "/dev/null", JSON.stringify(process.argv.slice(1)));
   process.on("SIGTERM", () => process.exit(143)); setInterval(() => {}, 1000);`,
  "--",
] as const;

async function start(options: Partial<StudioServerOptions> = {}) {
  const runs = join(base, `runs-${folders++}`);
  const lines: string[] = [];
  const studio = await startStudio({
    runs,
    files: [files],
    models: [tiny],
    program: [...PROGRAM],
    version: "1.2.3",
    pages,
    host: "127.0.0.1",
    port: 0,
    threads: 1,
    say: (line) => void lines.push(line),
    ...options,
  });
  running.push(studio);
  return { runs, lines, port: Number(new URL(studio.url).port), url: studio.url };
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** Sends exactly these headers: fetch would not let us lie. */
function ask(
  port: number,
  path: string,
  options: { headers?: Record<string, string>; body?: string; method?: string } = {},
) {
  const { headers, body, method = body === undefined ? "GET" : "POST" } = options;
  return new Promise<Answer>((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, text }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

const post = (port: number, path: string, body: unknown): Promise<Answer> =>
  ask(port, path, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
const errorOf = (answer: Answer): string => (JSON.parse(answer.text) as { error: string }).error;

/** Reads server-sent events until one is the last. */
async function events<T>(url: string, last: (event: T) => boolean, body?: unknown): Promise<T[]> {
  const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(url, body === undefined ? {} : init);
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  const seen: T[] = [];
  let rest = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) {
      const event = JSON.parse(block.replace(/^data: /, "")) as T;
      seen.push(event);
      if (last(event)) return seen;
    }
  }
  return seen;
}

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
      await expect.poll(() => existsSync(argsFile), { timeout: 20_000 }).toBe(true);
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

describe("chat", () => {
  const column = (template: string) => {
    return { model: `base:${tiny}`, template, messages: [{ role: "user", content: "the river" }] };
  };
  const request = { columns: [column("tulu"), column("none")], maxTokens: 5, temperature: 0, topP: 1 };

  it("answers all columns in one stream, with prompts and probabilities", async () => {
    const { url } = await start();
    const seen = await events<ChatEvent>(`${url}/api/chat`, () => false, request);
    for (const column of [0, 1]) {
      const own = seen.filter((event) => event.column === column);
      expect(own[0]!.type).toBe("loading");
      expect(own.find((event) => event.type === "prompt")!.text).toBe(
        column === 0 ? "<|user|>\nthe river\n<|assistant|>\n" : "the river",
      );
      const tokens = own.filter((event) => event.type === "token");
      const end = own.at(-1)!;
      // Half a character at the limit is told with the end alone.
      const written = tokens.map(({ piece }) => piece).join("");
      expect(end.type === "end" && end.text.replace(/\ufffd+$/, "")).toBe(written);
      expect(tokens.length).toBeGreaterThan(0);
      for (const token of tokens) {
        expect(token.top).toHaveLength(5);
        expect(token.logprob).toBeCloseTo(token.top[0]!.logprob, 6);
      }
    }
  });

  it("says in its own column what went wrong, and goes on in the others", async () => {
    const { url } = await start();
    const columns = [{ ...column("none"), model: "run:../x" }, column("none")];
    const seen = await events<ChatEvent>(`${url}/api/chat`, () => false, { ...request, columns });
    expect(seen.filter(({ column }) => column === 0).at(-1)).toMatchObject({ type: "error" });
    expect(seen.filter(({ column }) => column === 1).at(-1)).toMatchObject({ type: "end" });
  });

  it("stops when the page goes, and the studio lives on", async () => {
    const { url, port } = await start();
    const long = { ...request, columns: [column("none")], maxTokens: 400, temperature: 2 };
    await events<ChatEvent>(`${url}/api/chat`, ({ type }) => type === "token", long);
    expect((await ask(port, "/api/session")).status).toBe(200);
  });

  it.each([
    { ...request, columns: [] },
    { ...request, maxTokens: 1e9 },
    { ...request, columns: [{ ...column("none"), template: "../x" }] },
    { ...request, columns: Array(7).fill(column("none")) },
    { ...request, topP: 0 },
    { ...request, evil: 1 },
  ])("refuses a request out of form (%#)", async (body) => {
    const { port } = await start();
    expect((await post(port, "/api/chat", body)).status).toBe(400);
  });
});

describe("who may come in", () => {
  it("does not start on an address of others without a token", async () => {
    await expect(start({ host: "0.0.0.0" })).rejects.toThrow(/token/);
  });

  it("wants the token for everything but its pages, which hold no data", async () => {
    const { port } = await start({ token: TOKEN });
    expect((await ask(port, "/")).status).toBe(200);
    const strangers: Record<string, string>[] = [
      {},
      { Authorization: "Bearer wrong-wrong" },
      { Authorization: TOKEN },
      { Cookie: `token=${TOKEN}` },
    ];
    for (const headers of strangers) expect((await ask(port, "/api/catalogue", { headers })).status).toBe(401);
    expect((await ask(port, `/api/catalogue?token=${TOKEN}`)).status).toBe(401);
    expect((await ask(port, "/api/catalogue", { headers: { Authorization: `Bearer ${TOKEN}` } })).status).toBe(200);
  });

  it.each([
    [{ Origin: "https://evil.example" }, 403],
    [{ Origin: "null" }, 403],
    [{ Host: "evil.example" }, 421],
    [{ Host: "127.0.0.1.evil.example" }, 421],
  ])("refuses pages of others: %j", async (headers, status) => {
    const { port } = await start();
    for (const path of ["/", "/api/catalogue", "/api/events"])
      expect((await ask(port, path, { headers })).status).toBe(status);
    const train = { headers: { ...headers, "Content-Type": "application/json" }, body: "{}" };
    expect((await ask(port, "/api/train", train)).status).toBe(status);
  });

  it.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonx"])(
    "takes no body of type %j",
    async (type) => {
      const { port } = await start();
      const headers: Record<string, string> = type ? { "Content-Type": type } : {};
      expect((await ask(port, "/api/train", { headers, body: "{}" })).status).toBe(415);
    },
  );

  it("refuses a body of 100 MB before it has come, announced or not", async () => {
    const { port } = await start();
    const headers = { "Content-Type": "application/json", "Content-Length": String(100 << 20) };
    const announced = await new Promise<number>((resolve, reject) => {
      const options = { host: "127.0.0.1", port, path: "/api/chat", method: "POST", headers, agent: false };
      const request = httpRequest(options, (response) => {
        resolve(response.statusCode!);
        request.destroy();
      });
      request.on("error", reject);
      request.flushHeaders();
    });
    expect(announced).toBe(413);
    const streamed = await new Promise<number>((resolve) => {
      const options = {
        host: "127.0.0.1",
        port,
        path: "/api/chat",
        method: "POST",
        headers: { "Content-Type": "application/json" },
        agent: false,
      };
      const request = httpRequest(options, (response) => {
        resolve(response.statusCode!);
        request.destroy();
      });
      request.on("error", () => {});
      const block = Buffer.alloc(1 << 20, "a");
      for (let i = 0; i < 100; i++) request.write(block);
    });
    expect(streamed).toBe(413);
    expect((await ask(port, "/api/session")).status).toBe(200);
  });

  it("reaches no file by any path", async () => {
    const { port, runs } = await start();
    writeFileSync(join(base, "outside.jsonl"), '{"secret":1}\n');
    symlinkSync(join(base, "outside.jsonl"), join(runs, "in.jsonl"));
    symlinkSync(base, join(runs, "up"));
    const ways = [
      "../outside.jsonl",
      "in.jsonl",
      "up/outside.jsonl",
      "/etc/passwd",
      "..%2foutside.jsonl",
      "up/own/rows.jsonl",
    ];
    for (const way of ways) {
      for (const route of ["samples", "run", "metrics", "experiment"])
        expect((await ask(port, `/api/${route}?id=${encodeURIComponent(way)}`)).status).toBe(404);
      expect((await post(port, "/api/report", { id: way })).status).toBe(404);
    }
    for (const path of [
      "/../package.json",
      "/..%2fpackage.json",
      "/studio.js/../../secret.yaml",
      "/report/../secret.yaml",
      "//etc/passwd",
    ]) {
      const answer = await ask(port, path);
      expect(answer.status).toBe(404);
      expect(answer.text).not.toContain("hunter22");
    }
  });

  it("lives through requests that are cut off or no HTTP", async () => {
    const { port } = await start();
    const raw = (bytes: string): Promise<void> =>
      new Promise((resolve) => {
        const socket = connect(port, "127.0.0.1", () =>
          socket.write(bytes, () => setTimeout(() => socket.destroy(), 20)),
        );
        socket.on("close", () => resolve());
        socket.on("error", () => resolve());
      });
    const head = "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    await raw(`${head}Content-Length: 5000\r\n\r\n{"colu`);
    await raw(`${head}Transfer-Encoding: chunked\r\n\r\nZZ\r\n`);
    await raw("GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await raw("\0\0\0\0 nonsense\r\n\r\n");
    expect((await ask(port, "/api/session")).status).toBe(200);
  });

  it("answers random requests with a status of its own, never 500", async () => {
    const { port, runs } = await start();
    writeRun(join(runs, "a"), { mode: "it", steps: 3 });
    const path = fc.constantFrom(
      "samples",
      "run",
      "metrics",
      "experiment",
      "train",
      "cancel",
      "resume",
      "report",
      "chat",
      "models",
    );
    const value = fc.oneof(
      fc.string(),
      fc.jsonValue().map((each) => JSON.stringify(each)),
    );
    await fc.assert(
      fc.asyncProperty(path, value, fc.boolean(), async (name, text, writes) => {
        const answer = writes
          ? await ask(port, `/api/${name}`, { body: text, headers: { "Content-Type": "application/json" } })
          : await ask(port, `/api/${name}?id=${encodeURIComponent(text)}&offset=${encodeURIComponent(text)}`);
        expect([200, 400, 404, 405, 409]).toContain(answer.status);
      }),
      { numRuns: 150 },
    );
  });

  it("logs neither queries nor keys of reports", async () => {
    const { port, runs, lines } = await start({ token: TOKEN });
    writeReport(join(runs, "x"));
    const headers = { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" };
    const { url } = JSON.parse((await ask(port, "/api/report", { headers, body: '{"id":"x"}' })).text);
    await ask(port, url);
    await ask(port, "/api/samples?id=private.jsonl&search=secret-word", { headers });
    const said = lines.join("\n");
    expect(said).toContain("/api/samples 404");
    for (const secret of [TOKEN, url, "private", "secret-word"]) expect(said).not.toContain(secret);
  });
});
