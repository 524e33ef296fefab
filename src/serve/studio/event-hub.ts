/** Tells open pages what changes in the runs folder. Looks only while somebody listens. */
import { MetricsTail } from "./metrics-tail.js";
import type { Catalogue, StudioEvent } from "./wire.js";

export interface EventSources {
  catalogue(): Promise<Catalogue>;
  /** Path of a run's metrics, whether they exist yet or not; undefined for a run that cannot be. */
  metricsPath(run: string): string | undefined;
}

interface Listener {
  tails: { run: string; tail: MetricsTail; begun: boolean }[];
  catalogue: string;
  send(event: StudioEvent): void;
}

const POLL_MS = 500;
/** A walk through a large folder takes at most this share of the time. */
const WALK_SHARE = 0.1;

export class EventHub {
  private readonly listeners = new Set<Listener>();
  private timer?: NodeJS.Timeout;
  private looking = false;
  private latest?: Catalogue;
  private nextWalk = 0;

  constructor(private readonly sources: EventSources) {}

  get size(): number {
    return this.listeners.size;
  }

  /** Begins to send; call the result to end. @param runs whose curves are wanted. */
  listen(runs: readonly string[], send: (event: StudioEvent) => void): () => void {
    const tails = runs.flatMap((run) => {
      const path = this.sources.metricsPath(run);
      return path === undefined ? [] : [{ run, tail: new MetricsTail(path), begun: false }];
    });
    const listener: Listener = { tails, catalogue: "", send };
    this.listeners.add(listener);
    this.timer ??= setInterval(() => void this.look(), POLL_MS);
    void this.look();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size > 0) return;
      clearInterval(this.timer);
      this.timer = undefined;
    };
  }

  /** Something has changed here: the next look must not wait. */
  poke(): void {
    this.nextWalk = 0;
    if (this.listeners.size > 0) void this.look();
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      const start = performance.now();
      if (this.latest === undefined || start >= this.nextWalk) {
        this.nextWalk = Number.POSITIVE_INFINITY;
        this.latest = await this.sources.catalogue();
        const now = performance.now();
        if (this.nextWalk !== 0) this.nextWalk = now + (now - start) / WALK_SHARE;
      }
      const text = JSON.stringify(this.latest);
      for (const listener of this.listeners) {
        if (listener.catalogue !== text) {
          listener.catalogue = text;
          listener.send({ type: "catalogue", catalogue: this.latest });
        }
        for (const followed of listener.tails) {
          const { fresh, points } = followed.tail.next();
          if (fresh || !followed.begun) listener.send({ type: "metrics", run: followed.run, points });
          else if (points.length > 0) listener.send({ type: "more", run: followed.run, points });
          followed.begun = true;
        }
      }
    } catch {
      // A folder that cannot be read just now: the next look tries again.
      this.nextWalk = 0;
    } finally {
      this.looking = false;
    }
  }
}
