/** Trainings as child processes: `evoke train`, so that a crash or a cancel never touches the studio. */
import { type ChildProcess, spawn } from "node:child_process";
import { HttpError } from "../http-error.js";
import { withoutSecrets } from "./secrets.js";
import type { RunSummary } from "./wire.js";

export interface TrainingJob {
  /** Run id below the runs folder. */
  id: string;
  /** Arguments after the program's name. */
  args: string[];
  /** What is known before the run folder says it. */
  about: Pick<RunSummary, "model" | "method" | "mode">;
}

interface Running extends TrainingJob {
  child: ChildProcess;
  started: string;
  stopping: boolean;
  /** Exit code, once it is over; −1 when it could not be started. */
  code?: number;
  message?: string;
  over: Promise<void>;
}

const STDERR_BYTES = 16_384;

export class Trainings {
  private readonly jobs = new Map<string, Running>();

  /**
   * @param program the command that is `evoke`. @param most trainings at once.
   * @param changed told when one begins or ends.
   */
  constructor(
    private readonly program: readonly [string, ...string[]],
    private readonly most: number,
    private readonly changed: () => void,
  ) {}

  /** @throws HttpError 409 when it runs already, 429 when enough others do. */
  start(job: TrainingJob): void {
    const live = [...this.jobs.values()].filter(({ code }) => code === undefined);
    if (live.some(({ id }) => id === job.id)) throw new HttpError(409, `${job.id} is being trained already`);
    if (live.length >= this.most)
      throw new HttpError(429, `${live.length} trainings are running, which is the most at once; cancel one or wait`);
    const [command, ...first] = this.program;
    const { EVOKE_TOKEN: _, ...env } = process.env;
    const child = spawn(command, [...first, "train", ...job.args], {
      env,
      stdio: ["ignore", "ignore", "pipe"],
      // A group of its own: Ctrl-C at the studio's terminal must not reach it twice, which would end it unsaved.
      detached: true,
    });
    const running: Running = {
      ...job,
      child,
      started: new Date().toISOString(),
      stopping: false,
      over: Promise.resolve(),
    };
    let said = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-STDERR_BYTES)));
    running.over = new Promise((resolve) => {
      const end = (code: number, message?: string): void => {
        if (running.code !== undefined) return;
        running.code = code;
        running.message = message;
        this.changed();
        resolve();
      };
      child.once("error", (error) => end(-1, error.message));
      child.once("close", (code) => end(code ?? -1, code === 0 ? undefined : lastWord(said)));
    });
    this.jobs.set(job.id, running);
    this.changed();
  }

  /** Asks a training to save and stop. @throws HttpError 409 when this studio has none of this name running. */
  cancel(id: string): void {
    const job = this.jobs.get(id);
    if (!job || job.code !== undefined) throw new HttpError(409, `${id} is not a training that this studio started`);
    // A second signal would end it at once, unsaved.
    if (!job.stopping) job.child.kill("SIGTERM");
    job.stopping = true;
    this.changed();
  }

  /** What the run folders say, completed by what only their processes know. */
  merge(found: readonly RunSummary[]): RunSummary[] {
    const known = new Map(found.map((run) => [run.id, run]));
    const runs = found.map((run): RunSummary => {
      const job = this.jobs.get(run.id);
      if (!job) return run;
      if (job.code === undefined) {
        const state = job.stopping ? "stopping" : run.state === "running" ? "running" : "starting";
        return { ...run, state, cancellable: !job.stopping, message: undefined };
      }
      return job.code !== 0 && run.state === "lost" ? { ...run, state: "failed", message: job.message } : run;
    });
    const before = [...this.jobs.values()].reverse().flatMap((job): RunSummary[] => {
      // A training that ended well has its folder; without one it was removed since.
      if (known.has(job.id) || job.code === 0) return [];
      const live = job.code === undefined;
      return [
        {
          id: job.id,
          state: live ? (job.stopping ? "stopping" : "starting") : job.stopping ? "interrupted" : "failed",
          ...job.about,
          step: 0,
          steps: 0,
          started: job.started,
          message: job.message,
          cancellable: live && !job.stopping,
          usable: false,
        },
      ];
    });
    return [...before, ...runs];
  }

  /** Asks all to save and stop, and waits until they have. */
  async close(): Promise<void> {
    const live = [...this.jobs.values()].filter(({ code }) => code === undefined);
    for (const { id } of live) this.cancel(id);
    await Promise.all(live.map(({ over }) => over));
  }
}

/** The program's own line about what went wrong: the last one it wrote. */
function lastWord(said: string): string {
  const lines = said.split(/[\r\n]+/).filter((line) => line.trim() !== "");
  const line = lines.findLast((each) => each.startsWith("evoke: ")) ?? lines.at(-1) ?? "it ended without a word";
  return withoutSecrets(line.replace(/^evoke: /, "")).slice(0, 500);
}
