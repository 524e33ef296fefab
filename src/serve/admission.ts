/** Keeps the queue short and its turns fair: what cannot begin soon is refused at once, with a hint when to come back. */
import { HttpError } from "./http-error.js";

/** One request's stay. */
export interface Stay {
  /**
   * Does a part of the request's work, with `answers` of its answers, when it is its turn.
   * Rejects with the signal's reason when that comes first.
   */
  turn<T>(answers: number, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** Gives the places back; call it once. */
  leave(): void;
}

interface Turn {
  answers: number;
  begin(): void;
}

interface Guest {
  running: number;
  waiting: Turn[];
}

export class Admission {
  /** Answers asked for and not finished, the waiting ones included. */
  inFlight = 0;
  private requests = 0;
  private meanSeconds = 1;
  private running = 0;
  /** In the order in which they came. */
  private readonly guests = new Set<Guest>();

  /** @param places answers written at once. @param queue answers that may wait besides. */
  constructor(
    readonly places: number,
    readonly queue: number,
  ) {}

  /** Most answers that one request may ask for. */
  get most(): number {
    return this.places + this.queue;
  }

  /** Most answers that take one turn: a turn that needed all places would keep them empty while it waits. */
  get perTurn(): number {
    return Math.max(1, this.places >> 3);
  }

  /**
   * Takes places for a request's answers. First answers and further ones are counted apart, so that requests for many
   * cannot shut out those for one.
   * @throws HttpError 400 for more answers than there are places at all, 429 with Retry-After when the queue is full.
   */
  enter(answers: number): Stay {
    if (answers > this.most)
      throw new HttpError(400, `${answers} answers are more than this server takes in one request (${this.most})`, {
        param: "n",
        code: "too_many_answers",
      });
    const further = this.inFlight - this.requests;
    if (this.requests + 1 > this.most || further + answers - 1 > this.most) throw this.full();
    this.inFlight += answers;
    this.requests++;
    const guest: Guest = { running: 0, waiting: [] };
    this.guests.add(guest);
    const start = performance.now();
    return {
      turn: (size, signal, work) => this.turn(guest, size, signal, work),
      leave: () => {
        this.inFlight -= answers;
        this.requests--;
        this.guests.delete(guest);
        this.meanSeconds = 0.8 * this.meanSeconds + 0.2 * ((performance.now() - start) / 1000);
      },
    };
  }

  private full(): HttpError {
    const rounds = Math.ceil(this.inFlight / this.places);
    const seconds = Math.min(60, Math.max(1, Math.ceil(rounds * this.meanSeconds)));
    return new HttpError(429, `the server is busy: ${this.inFlight} answers are running or waiting`, {
      code: "queue_full",
      headers: { "Retry-After": String(seconds) },
    });
  }

  private async turn<T>(guest: Guest, answers: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const size = Math.min(answers, this.places);
    await new Promise<void>((resolve, reject) => {
      const turn: Turn = {
        answers: size,
        begin: () => {
          signal.removeEventListener("abort", giveUp);
          resolve();
        },
      };
      const giveUp = (): void => {
        guest.waiting.splice(guest.waiting.indexOf(turn), 1);
        reject(signal.reason);
        this.next();
      };
      signal.addEventListener("abort", giveUp, { once: true });
      guest.waiting.push(turn);
      this.next();
    });
    try {
      return await work();
    } finally {
      guest.running -= size;
      this.running -= size;
      this.next();
    }
  }

  /** Gives free places to the request that has the fewest; of equals to the one that came first. */
  private next(): void {
    for (;;) {
      let best: Guest | undefined;
      for (const guest of this.guests)
        if (guest.waiting.length > 0 && (best === undefined || guest.running < best.running)) best = guest;
      const turn = best?.waiting[0];
      if (!best || !turn || this.running + turn.answers > this.places) return;
      best.waiting.shift();
      best.running += turn.answers;
      this.running += turn.answers;
      turn.begin();
    }
  }
}
