import type OpenAI from "openai";

const FIRST_REST_MS = 1000;
const LONGEST_REST_MS = 30_000;
const HEALTH_CHECK_MS = 5000;

/** One of the servers that serve the same model. */
export interface Endpoint {
  readonly url: string;
  readonly client: OpenAI;
  /** Requests under way. */
  busy: number;
  /** Set while the server is taken to be down. */
  down?: { restMs: number; until: number };
  checking?: Promise<void>;
}

/**
 * Spreads requests over servers: the least busy one that works comes next. A server that fails rests for a growing time
 * and must answer a health check (any HTTP answer to GET /models) before it gets requests again.
 */
export class EndpointPool {
  constructor(
    readonly endpoints: Endpoint[],
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * The server to ask next, counted as busy from now on; when none works, the one whose rest ends first (its next
   * failure counts like any other). Call `release` when the request is over.
   */
  async take(): Promise<Endpoint> {
    if (this.endpoints.length > 1) {
      const rested = this.endpoints.filter(({ down }) => down && down.until <= this.now());
      await Promise.all(rested.map((endpoint) => this.check(endpoint)));
    }
    // Chosen and counted in one go, or requests that start together would all choose the same.
    const endpoint = this.choose();
    endpoint.busy++;
    return endpoint;
  }

  release(endpoint: Endpoint): void {
    endpoint.busy--;
  }

  private choose(): Endpoint {
    const working = this.endpoints.filter((endpoint) => !endpoint.down);
    if (working.length > 0) return working.reduce((best, e) => (e.busy < best.busy ? e : best));
    return this.endpoints.reduce((best, e) => (e.down!.until < best.down!.until ? e : best));
  }

  /** Whether a request that failed at `endpoint` can go to another server right now. */
  hasOther(endpoint: Endpoint): boolean {
    return this.endpoints.some((other) => other !== endpoint && !other.down);
  }

  markDown(endpoint: Endpoint): void {
    // All requests that were under way when it went down fail: that is one failure.
    if (endpoint.down && endpoint.down.until > this.now()) return;
    const restMs = Math.min(LONGEST_REST_MS, (endpoint.down?.restMs ?? FIRST_REST_MS / 2) * 2);
    endpoint.down = { restMs, until: this.now() + restMs };
  }

  markUp(endpoint: Endpoint): void {
    endpoint.down = undefined;
  }

  private check(endpoint: Endpoint): Promise<void> {
    endpoint.checking ??= (async () => {
      try {
        await endpoint.client.models.list({ timeout: HEALTH_CHECK_MS });
        this.markUp(endpoint);
      } catch (error) {
        const status = (error as { status?: number }).status;
        if (status !== undefined && status < 500) this.markUp(endpoint);
        else this.markDown(endpoint);
      } finally {
        endpoint.checking = undefined;
      }
    })();
    return endpoint.checking;
  }
}
