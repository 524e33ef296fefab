/** How a training run can end, and what becomes of its result: a full disk, an early stop, a merged model. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evoke, programPath } from "../program.js";
import { writeTinyModel, writeTinyRows } from "../support/tiny-model.js";

const root = mkdtempSync(join(tmpdir(), "evoke-outcomes-"));
const at = (name: string): string => join(root, name);
afterAll(() => rmSync(root, { recursive: true }));
beforeAll(() => {
  writeTinyModel(at("model"));
  writeTinyRows(at("rows.jsonl"), 24);
});

function recipe(name: string, more: string): string {
  const base = "model: ./model\nmethod: lora\nmode: it\nbatch: { micro: 4, accumulation: 1 }\nthreads: 1\n";
  writeFileSync(at(`${name}.yaml`), base + more);
  return at(`${name}.yaml`);
}
const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));

/** A file system of a few hundred kilobytes, in a mount namespace of its own, so that no privilege is needed. */
const smallDisk = ["unshare", "--user", "--map-root-user", "--mount"];
const canMount =
  spawnSync(smallDisk[0]!, [...smallDisk.slice(1), "mount", "-t", "tmpfs", "tmpfs", tmpdir()]).status === 0;

describe("evoke train", () => {
  it.skipIf(!canMount)("stops with one line when the disk is full, and goes on when there is room", () => {
    const file = recipe(
      "full",
      "data: { path: rows.jsonl }\nlora: { r: 4, alpha: 8 }\nmax_steps: 6\ncheckpoint: { every_steps: 1 }\n",
    );
    execFileSync("mkdir", ["-p", at("disk")]);
    const train = `"${process.execPath}" "${programPath}" train "${file}" --quiet --out "${at("disk/run")}"`;
    const script = `
      mount -t tmpfs -o size=250k tmpfs "${at("disk")}"
      ${train} 2> "${at("full.stderr")}"; echo "code $?"
      ls "${at("disk/run")}" "${at("disk/run/checkpoints")}"
      mount -o remount,size=20m "${at("disk")}"
      ${train} --resume > /dev/null 2> "${at("again.stderr")}"; echo "again $?"
      cp -r "${at("disk/run")}" "${at("copy")}"`;
    const out = execFileSync(smallDisk[0]!, [...smallDisk.slice(1), "sh", "-c", script], {
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1" },
    });
    expect(readFileSync(at("full.stderr"), "utf8")).toBe(
      "evoke: the disk is full; free some space and run again with --resume\n",
    );
    expect(out).toContain("code 1");
    expect(out).not.toMatch(/\.tmp|\.partial|step-3/);
    expect(out, readFileSync(at("again.stderr"), "utf8")).toContain("again 0");

    execFileSync(process.execPath, [programPath, "train", file, "--quiet", "--out", at("roomy")], { stdio: "ignore" });
    const adapter = "adapter/adapter_model.safetensors";
    expect(readFileSync(join(at("copy"), adapter)).equals(readFileSync(join(at("roomy"), adapter)))).toBe(true);
  });

  it("stops early and keeps the best adapter", async () => {
    writeTinyRows(at("other.jsonl"), 4);
    const file = recipe(
      "early",
      `data: { path: rows.jsonl, validation: other.jsonl }
validation: { every_steps: 1 }
early_stop: { patience: 2 }
lora: { r: 4, alpha: 8, dropout: 0 }
optimizer: { lr: 0.3 }
max_steps: 60
`,
    );
    const { code, stderr } = await evoke(["train", file, "--quiet", "--out", at("early")]);
    expect(code, stderr).toBe(0);
    const run = json(at("early/run.json"));
    expect(run).toMatchObject({ status: "done", message: expect.stringMatching(/stopped early; best .* step \d+/) });
    const metrics = readFileSync(at("early/metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const losses: number[] = metrics.map(({ validation_loss }) => validation_loss);
    const best = losses.indexOf(Math.min(...losses)) + 1;
    expect(losses).toHaveLength(best + 2);
    expect(losses.length).toBeLessThan(60);
    expect(run.message).toContain(`at step ${best}`);
    // The record is of the adapter that is kept, not of the last step.
    expect(run).toMatchObject({ keptStep: best, validationLoss: losses[best - 1], loss: metrics[best - 1].loss });
    expect(run.loss).not.toBe(metrics.at(-1).loss);
    for (const name of readdirSync(at("early/adapter")))
      expect(readFileSync(at(`early/adapter/${name}`))).toEqual(readFileSync(at(`early/best/${name}`)));
  });
});

describe("evoke merge", () => {
  it("writes a model that answers as the adapter on its base does, and refuses to overwrite it", async () => {
    const file = recipe(
      "tuned",
      "data: { path: rows.jsonl }\nlora: { r: 4, alpha: 64, dropout: 0 }\noptimizer: { lr: 0.01 }\nmax_steps: 6\n",
    );
    expect((await evoke(["train", file, "--quiet", "--out", at("tuned")])).code).toBe(0);
    const merge = ["merge", at("tuned"), "--dtype", "f32", "--out", at("merged")];
    const merged = await evoke([...merge, "--json"]);
    expect(merged.code, merged.stderr).toBe(0);
    expect(JSON.parse(merged.stdout)).toEqual({ out: at("merged") });
    for (const name of ["config.json", "tokenizer.json", "model.safetensors"])
      expect(existsSync(join(at("merged"), name)), name).toBe(true);

    const score = async (model: string, out: string): Promise<number[]> => {
      const { code, stderr } = await evoke([
        "score",
        model,
        "--in",
        at("pairs.jsonl"),
        "--out",
        at(out),
        "--weights",
        "float32",
      ]);
      expect(code, stderr).toBe(0);
      return readFileSync(at(out), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).logprob);
    };
    writeFileSync(
      at("pairs.jsonl"),
      '{"context":"the river","continuation":" runs"}\n{"context":"stars","continuation":" fall"}\n',
    );
    const [tuned, folded, base] = [
      await score(at("tuned"), "a.jsonl"),
      await score(at("merged"), "b.jsonl"),
      await score(at("model"), "c.jsonl"),
    ];
    tuned.forEach((logprob, i) => {
      expect(folded[i]).toBeCloseTo(logprob, 4);
      expect(Math.abs(base[i]! - logprob)).toBeGreaterThan(1e-2);
    });

    const again = await evoke(merge);
    expect(again).toMatchObject({ code: 2, stdout: "" });
    expect(again.stderr).toMatch(/exists already; name another folder/);
  });
});
