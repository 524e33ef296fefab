/**
 * The playground in a real browser, on WebAssembly: trains, asks, ranks, and hands out adapters that the command line takes.
 * Pictures are left in the folder that EVOKE_PICTURES names, if any.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SafetensorsFile } from "../../../src/checkpoint/safetensors.js";
import { evoke, repositoryRoot } from "../../program.js";
import { type ServerProgram, startServerProgram } from "../../support/server-program.js";

const CHROMIUM = "/usr/bin/chromium";
const there = existsSync(CHROMIUM);
if (!there) console.warn(`playground: left out, since there is no ${CHROMIUM}`);

const MODES = ["rt", "it"] as const;
const NAMES = { rt: "Response tuning", it: "Instruction tuning" };
const STEPS = 30;
/**
 * A recipe's default. AdamW divides gradients by their own size, so that rounding shows in values whose gradients are nearly
 * zero, in proportion to the rate: at the page's 2e-3 the largest difference was 1.4e-4.
 */
const RATE = 1e-4;
const QUESTION = "What is a young goose called?";
const pictures = process.env.EVOKE_PICTURES;

/** The same training by the command line: what engine/train.ts sets. */
const recipe = (mode: string, rows: string): string => `
model: bundled:mini
method: lora
mode: ${mode}
template: tulu
data: { path: ${rows} }
lora: { r: 64, alpha: 64, dropout: 0.1, target_modules: [down_proj] }
optimizer: { lr: ${RATE} }
batch: { micro: 8, accumulation: 1 }
max_steps: ${STEPS}
max_length: 256
threads: 1
`;

function factors(folder: string): Map<string, Float32Array> {
  const file = new SafetensorsFile(join(folder, "adapter_model.safetensors"));
  const values = new Map<string, Float32Array>();
  for (const [name, entry] of file.entries) {
    const data = new Float32Array(entry.values);
    file.decode(name, 0, entry.values, data);
    values.set(name, data);
  }
  file.close();
  return values;
}

describe.skipIf(!there)("the playground in Chromium", { timeout: 1_200_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "evoke-playground-"));
  const complaints: string[] = [];
  const requests: string[] = [];
  let server: ServerProgram;
  let browser: Browser;
  let page: Page;
  let loaded = false;

  beforeAll(async () => {
    server = await startServerProgram(["playground"]);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    page = await browser.newPage({ viewport: { width: 1440, height: 900 }, colorScheme: "light" });
    page.setDefaultTimeout(600_000);
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("request", (request) => {
      if (loaded && !request.url().startsWith("blob:")) requests.push(request.url());
    });
    await page.goto(`${server.url}/?backend=wasm`);
    await page.waitForSelector('[data-ready="yes"]');
    loaded = true;
  }, 600_000);

  afterAll(async () => {
    await browser?.close();
    server?.child.kill("SIGTERM");
    await server?.code;
    rmSync(folder, { recursive: true, force: true });
  });

  it("is a page of at most 400 kB compressed, beside the runtime and the model", () => {
    const own = ["index.html", "playground.js", "playground.css", "engine.js", "icon.svg", "rows.jsonl"];
    const bytes = own.map(
      (name) => gzipSync(readFileSync(join(repositoryRoot, "dist/playground", name)), { level: 9 }).length,
    );
    expect(bytes.reduce((sum, n) => sum + n, 0)).toBeLessThan(400_000);
  });

  it.each(MODES)("trains %s, and the curve moves", async (mode) => {
    await page.fill('label:has-text("Steps") input', String(STEPS));
    await page.fill('label:has-text("Learning rate") input', String(RATE));
    await page.click(`button:has-text("${NAMES[mode]}")`);
    await page.waitForSelector(`[data-download="${mode}/adapter_model.safetensors"]`);
    expect(await page.getAttribute(`.legend .${mode}`, "data-steps")).toBe(String(STEPS));
    const path = (await page.getAttribute(`path.line.${mode}`, "d"))!;
    const heights = [...path.matchAll(/ ([\d.]+)/g)].map((match) => Number(match[1]));
    expect(new Set(heights).size).toBeGreaterThan(STEPS / 2);
    // Down on the page is a lower loss. Instructions and responses the model knows already.
    if (mode === "rt") expect(heights.at(-1)!).toBeGreaterThan(heights[0]!);
  });

  it("hands out adapters of the values that the command line trains", async () => {
    const rows = join(folder, "rows.jsonl");
    writeFileSync(rows, readFileSync(join(repositoryRoot, "dist/playground/rows.jsonl")));
    for (const mode of MODES) {
      const own = join(folder, mode);
      mkdirSync(own);
      for (const name of ["adapter_model.safetensors", "adapter_config.json"]) {
        const waiting = page.waitForEvent("download");
        await page.click(`[data-download="${mode}/${name}"]`);
        await (await waiting).saveAs(join(own, name));
      }
      const file = join(folder, `${mode}.yaml`);
      writeFileSync(file, recipe(mode, rows));
      const trained = join(folder, `run-${mode}`);
      const { code, stderr } = await evoke(["train", file, "--out", trained, "-q"]);
      expect(code, stderr).toBe(0);
      const [here, nodes] = [factors(own), factors(join(trained, "adapter"))];
      expect([...here.keys()].sort()).toEqual([...nodes.keys()].sort());
      let worst = 0;
      for (const [name, values] of here)
        values.forEach((value, i) => {
          worst = Math.max(worst, Math.abs(value - nodes.get(name)![i]!));
        });
      console.log(`${mode}: the adapters of the tab and of Node.js differ by ${worst} at most`);
      expect(worst).toBeLessThan(1e-5);
    }
  });

  it("answers as evoke generate does with the same adapters", async () => {
    await page.fill('input[aria-label="Question"]', QUESTION);
    await page.click('button:has-text("Ask all")');
    await page.waitForSelector('[data-answer="it"][data-done="yes"]');
    const prompts = join(folder, "prompts.jsonl");
    writeFileSync(prompts, `${JSON.stringify({ messages: [{ role: "user", content: QUESTION }] })}\n`);
    for (const who of ["base", ...MODES]) {
      const shown = await page.textContent(`[data-answer="${who}"] p`);
      const out = join(folder, `${who}.jsonl`);
      const adapter = who === "base" ? [] : ["--adapter", join(folder, who)];
      const flags = ["--weights", "float32", "--max-tokens", "64", "--temperature", "0", "--threads", "1"];
      const { code, stderr } = await evoke([
        "generate",
        "bundled:mini",
        "--in",
        prompts,
        "--out",
        out,
        ...adapter,
        ...flags,
      ]);
      expect(code, stderr).toBe(0);
      const row = JSON.parse(readFileSync(out, "utf8").split("\n")[0]!) as { output?: string; text?: string };
      expect(shown).toBe(row.output ?? row.text);
    }
  });

  it("ranks responses, has asked for nothing since it was loaded, and complained of nothing", async () => {
    await page.click('button:has-text("Rank responses")');
    await page.waitForSelector('[data-rank="it"]:has-text("%")');
    expect(requests).toEqual([]);
    expect(complaints).toEqual([]);
    if (!pictures) return;
    mkdirSync(pictures, { recursive: true });
    await page.screenshot({ path: join(pictures, "playground-1440.png"), fullPage: true });
    await page.setViewportSize({ width: 390, height: 844 });
    await page.screenshot({ path: join(pictures, "playground-390.png"), fullPage: true });
  });
});
