/** The queue: which prompts are read next, and which answers begin. It decides and does nothing else. */
import type { Job } from "./job.js";
import { PREFILL_TOKENS } from "./prefill.js";
import { commonLength } from "./score-plan.js";

export interface AdmissionOptions {
  /** Most answers written at once. */
  maxBatch: number;
  /** Most cached positions; one answer is always let in. */
  positions: number;
  /** Read each prompt in a row of its own. */
  promptsApart?: boolean;
}

/** What is done before the next step. */
export interface AdmissionPlan {
  /** Prompts of one adapter that are read together. */
  read: Job[];
  /** How many answers of a job begin then. */
  open: { job: Job; answers: number }[];
}

/**
 * Reading a prompt costs about the same alone as with a few others, as all weights pass through the CPU's caches. So while
 * answers are being written a prompt waits for company: one step for each four answers, at most this many.
 */
const MOST_PATIENCE = 8;

export class Admission {
  private readonly waiting: Job[] = [];
  /** Steps since a prompt could have been read. */
  private patience = 0;

  constructor(private readonly options: AdmissionOptions) {}

  add(job: Job): void {
    this.waiting.push(job);
  }

  /** Whether no request waits; those that ended meanwhile leave the queue. */
  get empty(): boolean {
    for (let i = this.waiting.length - 1; i >= 0; i--)
      if (this.waiting[i]!.ended() || this.waiting[i]!.waiting.length === 0) this.waiting.splice(i, 1);
    return this.waiting.length === 0;
  }

  /**
   * What the first requests in the queue may do now.
   * @param active the request of each answer that is being written.
   */
  next(active: readonly Job[]): AdmissionPlan {
    const nothing = { read: [], open: [] };
    if (this.empty) return nothing;
    const { plan, full } = this.first(active);
    if (plan.open.length === 0) return nothing;
    if (plan.read.length > 0 && !full && this.patience < Math.min(MOST_PATIENCE, active.length >> 2)) {
      this.patience++;
      return nothing;
    }
    this.patience = 0;
    return plan;
  }

  /** The requests that can begin together, in order; `full`: no later one could join them. */
  private first(active: readonly Job[]): { plan: AdmissionPlan; full: boolean } {
    const { maxBatch, promptsApart } = this.options;
    const plan: AdmissionPlan = { read: [], open: [] };
    let answers = active.length;
    let positions = active.reduce((sum, job) => sum + job.options.positions, 0);
    let tokens = 0;
    for (const job of this.waiting) {
      const before = plan.read.at(-1);
      const added = job.prompt.length - (before ? commonLength(before.prompt, job.prompt) : 0);
      const other = plan.open.length > 0 && job.adapter !== plan.open[0]!.job.adapter;
      if (other || (before && !job.read && (promptsApart || tokens + added > PREFILL_TOKENS)))
        return { plan, full: true };
      const room = Math.floor((this.options.positions - positions) / job.options.positions);
      const most = Math.min(maxBatch - answers, room);
      // Whatever its size, one answer is always let in.
      const count = Math.min(job.waiting.length, Math.max(most, answers === 0 ? 1 : 0));
      if (count === 0) break;
      plan.open.push({ job, answers: count });
      answers += count;
      positions += count * job.options.positions;
      if (!job.read) {
        plan.read.push(job);
        tokens += added;
      }
      // Those behind it come after all its answers.
      if (count < job.waiting.length) return { plan, full: true };
    }
    return { plan, full: promptsApart === true || tokens >= PREFILL_TOKENS };
  }
}
