import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { HeadJob } from "./ray-head.js";

let messages = 1_800_000_000_000_000;

/** Plays the job's part on a RayHead: prints what the Python program prints. */
export class PlayedJob {
  constructor(private readonly job: HeadJob) {
    Object.assign(job, { status: "RUNNING", message: "Job is currently running." });
    this.tell({ event: "begin" });
  }

  print(line: string): this {
    this.job.logs += `${line}\n`;
    return this;
  }

  tell(event: Record<string, unknown>): this {
    return this.print(`evoke: ${JSON.stringify({ ...event, n: ++messages })}`);
  }

  start(after = 0): this {
    const versions = { ray: "2.60.0", torch: "2.13.0" };
    return this.tell({ event: "start", after, workers: 2, device: "cpu", precision: "float32", versions });
  }

  /** Steps of falling loss: 3 − step / 10. */
  steps(from: number, to: number): this {
    for (let step = from; step <= to; step++) {
      const loss = 3 - step / 10;
      this.tell({ event: "step", step, loss, lr: 1e-3, grad_norm: 1, rss_bytes: 1e9, seconds: 0.5 });
    }
    return this;
  }

  /** The files of a folder as the result: listed, and with `inOutput` sent in pieces. */
  result(folder: string, inOutput: boolean): this {
    const files = readdirSync(folder)
      .sort()
      .map((name) => {
        const data = readFileSync(join(folder, name));
        const piece = 4096;
        for (let at = 0; inOutput && at < data.length; at += piece)
          this.tell({ event: "file", name, at, data: data.subarray(at, at + piece).toString("base64") });
        return { name, size: data.length, sha256: createHash("sha256").update(data).digest("hex") };
      });
    return this.tell({ event: "result", kind: "adapter", files });
  }

  succeed(step: number): void {
    this.tell({ event: "done", step, best_step: null });
    Object.assign(this.job, { status: "SUCCEEDED", message: "Job finished successfully." });
  }

  fail(message: string): void {
    this.tell({ event: "error", message });
    Object.assign(this.job, { status: "FAILED", message: "Job entrypoint command failed with exit code 1" });
  }
}
