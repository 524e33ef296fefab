/** Keeps the queue short: what cannot begin soon is refused at once, with a hint when to come back. */
import { HttpError } from "./http-error.js";

export class Admission {
  /** Answers asked for and not finished, the waiting ones included. */
  inFlight = 0;
  private meanSeconds = 1;

  /** @param running answers written at once. @param waiting answers that may wait besides. */
  constructor(
    readonly running: number,
    readonly waiting: number,
  ) {}

  /**
   * Takes `answers` places; call the result once when they are over.
   * A request larger than all places together is let in when nothing else is there.
   * @throws HttpError 429 with Retry-After when the queue is full.
   */
  enter(answers: number): () => void {
    if (this.inFlight > 0 && this.inFlight + answers > this.running + this.waiting) {
      const rounds = Math.ceil(this.inFlight / this.running);
      const seconds = Math.min(60, Math.max(1, Math.ceil(rounds * this.meanSeconds)));
      throw new HttpError(429, `the server is busy: ${this.inFlight} answers are running or waiting`, {
        code: "queue_full",
        headers: { "Retry-After": String(seconds) },
      });
    }
    this.inFlight += answers;
    const start = performance.now();
    return () => {
      this.inFlight -= answers;
      this.meanSeconds = 0.8 * this.meanSeconds + 0.2 * ((performance.now() - start) / 1000);
    };
  }
}
