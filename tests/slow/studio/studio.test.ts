/** The studio in a real browser. Pictures of its pages are left in the folder that EVOKE_PICTURES names, if any. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { repositoryRoot } from "../../program.js";
import { type ServerProgram, startServerProgram } from "../../support/server-program.js";
import { writeEvaluation, writeExperiment, writeReport, writeRun } from "../../support/studio-folder.js";

const CHROMIUM = "/usr/bin/chromium";
const there = existsSync(CHROMIUM);
if (!there) console.warn(`studio: left out, since there is no ${CHROMIUM}`);

const WIDE = { width: 1440, height: 900 };
const NARROW = { width: 390, height: 844 };
const pictures = process.env.EVOKE_PICTURES;

describe.skipIf(!there)("the studio in Chromium", { timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "evoke-studio-"));
  const runs = join(folder, "runs");
  const own = join(folder, "own");
  let studio: ServerProgram;
  let browser: Browser;
  let page: Page;
  /** What the browser complained about: nothing, in all tests. */
  const complaints: string[] = [];

  beforeAll(async () => {
    writeRun(join(runs, "earlier"), { mode: "it", steps: 300 });
    writeReport(join(runs, "earlier"));
    for (const [name, accuracy] of [
      ["base", 0.3],
      ["it", 0.6],
      ["rt", 0.55],
    ] as const)
      writeEvaluation(join(runs, `eval-${name}`), name === "base" ? "bundled:mini" : `runs/${name}`, accuracy);
    writeExperiment(join(runs, "refinement"));
    mkdirSync(own);
    const recipe = readFileSync(join(repositoryRoot, "examples/mini-rt.yaml"), "utf8");
    writeFileSync(
      join(own, "rt.yaml"),
      recipe
        .replace("path: data/", `path: ${join(repositoryRoot, "examples/data")}/`)
        .concat("threads: 1\ncheckpoint: { every_steps: 1000 }\n"),
    );
    studio = await startServerProgram(["studio", runs, "--files", own, "--threads", "1"]);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    page = await browser.newPage({ viewport: WIDE, colorScheme: "light" });
    page.setDefaultTimeout(120_000);
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
  });

  afterAll(async () => {
    await browser?.close();
    studio?.child.kill("SIGTERM");
    await studio?.code;
    rmSync(folder, { recursive: true, force: true });
  });

  const open = (fragment: string) => page.goto(`${studio.url}/#/${fragment}`);
  const heading = (name: string) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  /** Last step that the loss chart of the page shows. */
  const lastStep = async (title = "Loss"): Promise<number> => {
    const label = await page.getByRole("img", { name: new RegExp(`^${title} by step`) }).getAttribute("aria-label");
    return Number(/at step (\d+)/.exec(label ?? "")?.[1] ?? 0);
  };
  const until = async (test: () => Promise<boolean>): Promise<void> => {
    while (!(await test())) await page.waitForTimeout(100);
  };
  const picture = async (name: string, size = WIDE): Promise<void> => {
    await page.setViewportSize(size);
    await page.waitForTimeout(400);
    // Nothing is cut off at the side, whatever the width.
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0);
    if (pictures) await page.screenshot({ path: join(pictures, `studio-${name}-${size.width}.png`) });
  };
  const pictureBoth = async (name: string): Promise<void> => {
    await picture(name, NARROW);
    await picture(name);
  };
  const start = async (name: string, settings: Record<string, string>): Promise<void> => {
    await open("new");
    await page.getByRole("combobox", { name: "Recipe" }).selectOption("own/rt.yaml");
    await page.getByText("Settings that override").click();
    for (const [label, value] of Object.entries(settings)) await page.getByLabel(label).fill(value);
    await page.getByLabel("Name of the run").fill(name);
    await page.getByRole("button", { name: "Start" }).click();
    await heading(name);
  };

  it("starts a training, whose curve moves until it is done", async () => {
    await start("rt", { Steps: "60" });
    await until(async () => (await lastStep()) >= 3);
    const early = await lastStep();
    expect(early).toBeLessThan(60);
    await until(async () => (await lastStep()) > early);
    await page.getByText("running").first().waitFor();
    await page.locator("main").getByRole("link", { name: "Chat" }).waitFor();
    expect(await lastStep()).toBe(60);
    await page.getByText("60 / 60").waitFor();
    expect(JSON.parse(readFileSync(join(runs, "rt", "run.json"), "utf8")).status).toBe("done");
    await pictureBoth("run");
  });

  it("asks base and RT the same, side by side, with exact prompts and probabilities", async () => {
    await page.locator("main").getByRole("link", { name: "Chat" }).click();
    await heading("Chat");
    const columns = page.getByRole("region", { name: /^Conversation with/ });
    await expect.poll(() => columns.count()).toBe(2);
    const names = await columns.evaluateAll((all) => all.map((each) => each.getAttribute("aria-label")));
    expect(names).toEqual(["Conversation with base:bundled:mini", "Conversation with run:rt"]);
    await page.getByText("Sampling and system message").click();
    await page.getByLabel("Most tokens").fill("24");
    await page.getByText("Sampling and system message").click();
    const question = JSON.parse(
      readFileSync(join(repositoryRoot, "examples/data/mini-heldout.jsonl"), "utf8").split("\n")[0]!,
    ).instruction as string;
    await page.getByLabel("Question to all models").fill(question);
    await page.keyboard.press("Enter");
    await expect.poll(() => page.getByText(/tokens\/s/).count(), { timeout: 120_000 }).toBe(2);
    for (const i of [0, 1]) {
      const column = columns.nth(i);
      expect(await column.locator(".question").textContent()).toBe(question);
      await column.getByText(/^Exact prompt/).click();
      const prompt = await column.locator("pre").textContent();
      expect(prompt).toContain(question);
      if (i === 1) expect(prompt).toContain(`<|user|>\n${question}\n<|assistant|>\n`);
      await column.getByText(/^Exact prompt/).click();
    }
    const plain = await columns.nth(1).locator(".answer").textContent();
    await page.getByLabel("Token probabilities").check();
    const tokens = columns.nth(1).locator(".tokens button");
    expect(await tokens.count()).toBeGreaterThan(0);
    expect((await tokens.allTextContents()).join("").replaceAll("⏎", "")).toBe(plain);
    await tokens.first().click();
    const chances = columns.nth(1).locator(".chances tr");
    expect(await chances.count()).toBe(5);
    // Greedy: the token taken is the most probable one.
    expect(await chances.first().getAttribute("class")).toBe("taken");
    await pictureBoth("chat");
  });

  it("stops an answer in the middle", async () => {
    await page.getByLabel("Token probabilities").uncheck();
    await page.getByText("Sampling and system message").click();
    await page.getByLabel("Most tokens").fill("400");
    await page.getByLabel("Temperature").fill("3");
    await page.getByText("Sampling and system message").click();
    await page.getByLabel("Question to all models").fill("And now a long one");
    await page.getByRole("button", { name: "Ask" }).click();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("stopped by you").first().waitFor();
    await page.getByRole("button", { name: "Ask" }).waitFor();
  });

  it("cancels a training, which can be resumed", async () => {
    await start("long", { Epochs: "200" });
    await until(async () => (await lastStep()) >= 3);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("interrupted", { exact: true }).waitFor();
    const record = JSON.parse(readFileSync(join(runs, "long", "run.json"), "utf8"));
    expect(record.status).toBe("interrupted");
    expect(existsSync(join(runs, "long", "checkpoints"))).toBe(true);
    await page.getByRole("button", { name: "Resume" }).click();
    await until(async () => (await lastStep()) > record.progress.step);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("interrupted", { exact: true }).waitFor();
  });

  it("says what is wrong with a request in the recipe's own words", async () => {
    await open("new");
    await page.getByText("A short form").click();
    await page.getByRole("combobox", { name: "Training rows" }).selectOption("examples/data/mini-train.jsonl");
    await page.getByLabel("Name of the run").fill("rt");
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByText("there is a folder rt already").waitFor();
    // The browser notes the refused request; that one is meant.
    expect(complaints.splice(0)).toEqual([expect.stringContaining("409")]);
    await pictureBoth("new");
  });

  it("opens a report in a sandbox, where its own script works", async () => {
    await open("run/earlier");
    await page.getByRole("link", { name: "Report" }).click();
    await page.getByRole("heading", { level: 1 }).waitFor();
    const frame = page.frameLocator("iframe");
    await frame.getByRole("heading", { name: "Base, IT and RT" }).waitFor();
    await frame.locator("#words").fill("bees");
    expect(await frame.locator("#count").textContent()).toBe("1 of 8");
    expect(await page.frames()[1]!.evaluate("origin")).toBe("null");
    await pictureBoth("report");
  });

  it("shows runs, experiments, evaluations and samples", async () => {
    await open("runs");
    await heading("Runs");
    await until(async () => (await lastStep("Training loss")) > 0);
    await pictureBoth("runs");
    await open("experiment/refinement");
    await heading("refinement");
    await page.locator("svg.graph .node.running").waitFor();
    await page.getByText("the judge's server does not answer").last().waitFor();
    await pictureBoth("experiment");
    await page.getByRole("table").getByRole("link", { name: "evaluate IT" }).click();
    await heading("Evaluations");
    await expect.poll(() => page.getByRole("checkbox", { checked: true }).count()).toBe(1);
    await page.getByLabel("eval-base").check();
    await page.getByLabel("eval-rt").check();
    await pictureBoth("evaluations");
    await page
      .getByRole("row", { name: /arc_easy/ })
      .getByRole("link")
      .first()
      .click();
    await heading("Samples");
    await page.getByLabel("Search").fill("rivers FACT");
    await page.getByText("of 8 (60 in all)").waitFor();
    await page.getByRole("combobox", { name: "acc", exact: true }).selectOption("0");
    await expect.poll(() => page.getByRole("status").textContent()).toMatch(/of [1-7] \(60 in all\)/);
    await pictureBoth("samples");
  });

  it("follows the system's dark colours and can be used by keyboard alone", async () => {
    await page.emulateMedia({ colorScheme: "dark" });
    await open("runs");
    await heading("Runs");
    await page.waitForTimeout(300);
    if (pictures) await page.screenshot({ path: join(pictures, "studio-dark-1440.png") });
    expect(await page.evaluate("getComputedStyle(document.body).backgroundColor")).toBe("rgb(16, 18, 22)");
    await page.emulateMedia({ colorScheme: "light" });
    await page.reload();
    await heading("Runs");
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.textContent")).toContain("Skip to the content");
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.activeElement.id")).toBe("main");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await heading("New training");
  });

  it("had nothing to complain of in the browser, and told its log no secret paths of the query", () => {
    expect(complaints).toEqual([]);
    expect(studio.said()).not.toContain("own/rt.yaml");
  });
});
