/** Follows a job until it ends, whatever happens to the connection. */
import { FailureError } from "../../errors.js";
import { pause, type RayClient, Unreachable } from "./client.js";
import { LogReader } from "./log-reader.js";
import { ended, type Job } from "./wire.js";

export interface FollowOptions {
  /** Each line the job prints. A head that was restarted, or a new reader, tells them from the first again. */
  onLine(line: string): void;
  say(line: string): void;
  /** Minutes without an answer before giving up. */
  patienceMinutes: number;
  signal?: AbortSignal;
  /** Milliseconds between two looks. Default 1000; more where the output is long. */
  interval?: number;
}

/** How following ended: the job's last state, or `lost`: the head answers but knows no such job. */
export type Outcome = { end: "job"; job: Job } | { end: "lost" };

const BACK_OFF_MAX = 30_000;
/** Where the whole output comes with each look, looks grow rarer: this many characters a second at most. */
const LOG_PER_SECOND = 1e6;

/**
 * Reads state and output of a job by asking again and again: it needs no connection that lives, so a cut, a proxy or a
 * restarted dashboard only delays it.
 * @throws FailureError when the head cannot be reached for `patienceMinutes`, UsageError when the token is refused, and
 * the signal's reason.
 */
export async function followJob(client: RayClient, id: string, options: FollowOptions): Promise<Outcome> {
  const { onLine, say, signal, interval = 1000 } = options;
  const reader = new LogReader(client, id, onLine);
  let failures = 0;
  let lostSince = 0;
  let linesBefore = 0;
  let waiting = "";
  for (;;) {
    let wait = interval;
    try {
      const job = await client.job(id);
      if (job && job.status !== "PENDING") await reader.read(ended(job.status));
      if (failures > 0) say(`${client.address.url} answers again`);
      failures = 0;
      if (!job) return { end: "lost" };
      if (ended(job.status)) return { end: "job", job };
      if (job.status === "PENDING" && job.message && job.message !== waiting)
        say(`job ${id}: ${(waiting = job.message)}`);
      wait = Math.max(interval, (reader.lastSize / LOG_PER_SECOND) * 1000);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      const now = Date.now();
      const isMoving = reader.lines > linesBefore;
      linesBefore = reader.lines;
      if (isMoving) failures = 0; // a link that breaks often but brings something is no lost one
      if (failures === 0) {
        lostSince = now;
        say(`${error.message}; the job goes on, trying again`);
      }
      if (now - lostSince > options.patienceMinutes * 60_000)
        throw new FailureError(
          `${client.address.url}: no answer for ${options.patienceMinutes} min; the job may still run, the same command joins it again`,
        );
      wait = Math.min(BACK_OFF_MAX, interval * 2 ** failures++) * (0.75 + Math.random() / 2);
    }
    await pause(wait, signal);
  }
}
