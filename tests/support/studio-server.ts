/** A studio's server on a free port, over a folder of its own, and requests to it. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { type RunningStudio, type StudioServerOptions, startStudio } from "../../src/serve/studio/studio-server.js";
import { type Answer, ask } from "./http-ask.js";
import { writeTinyModel, writeTinyRows } from "./tiny-model.js";

/** A child that leaves a word of its arguments and stays, as a training would. */
const PROGRAM = [
  process.execPath,
  "-e",
  `require("fs").writeFileSync(process.env.STUDIO_TEST_ARGS ?? "/dev/null", JSON.stringify(process.argv.slice(1)));
   process.on("SIGTERM", () => process.exit(143)); setInterval(() => {}, 1000);`,
  "--",
] as const;

interface TestStudio {
  /** Its runs folder. */
  runs: string;
  /** What it said. */
  lines: string[];
  port: number;
  url: string;
}

/**
 * Files for the studios of one test file: pages, a tiny model, and a folder `own` of rows and recipes with a secret
 * beside it. Registers hooks that make them, remove them, and close each test's studios.
 */
export function studioForTests() {
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

  /** Starts a studio with a new runs folder. */
  async function start(options: Partial<StudioServerOptions> = {}): Promise<TestStudio> {
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

  return { base, files, tiny, start };
}

/** Sends an object as JSON. */
export const post = (port: number, path: string, body: unknown): Promise<Answer> =>
  ask(port, path, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
export const errorOf = (answer: Answer): string => (JSON.parse(answer.text) as { error: string }).error;

/** Reads server-sent events until one is the last. */
export async function events<T>(url: string, last: (event: T) => boolean, body?: unknown): Promise<T[]> {
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
