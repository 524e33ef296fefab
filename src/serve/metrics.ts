/** Figures for Prometheus: what was asked, how long it took, how much was written. Never any text of a request. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Admission } from "./admission.js";

const SECONDS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300];

export class ServerMetrics {
  private readonly registry = new Registry();
  readonly requests = new Counter({
    name: "evoke_http_requests_total",
    help: "Requests by route and status.",
    labelNames: ["route", "status"] as const,
    registers: [this.registry],
  });
  readonly duration = new Histogram({
    name: "evoke_http_request_duration_seconds",
    help: "Time from the request to the end of its answer.",
    labelNames: ["route"] as const,
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly firstText = new Histogram({
    name: "evoke_time_to_first_text_seconds",
    help: "Time from a request to the first text of its answer, waiting included.",
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly tokens = new Counter({
    name: "evoke_tokens_total",
    help: "Tokens read (prompt) and written (output), by model.",
    labelNames: ["kind", "model"] as const,
    registers: [this.registry],
  });

  readonly unread = new Counter({
    name: "evoke_connections_unread_total",
    help: "Connections closed because the client did not read its answer.",
    registers: [this.registry],
  });

  constructor(admission: Admission) {
    const { places } = admission;
    const gauge = (name: string, help: string, value: () => number): void => {
      new Gauge({
        name,
        help,
        registers: [this.registry],
        collect() {
          this.set(value());
        },
      });
    };
    gauge("evoke_answers_running", "Answers being written.", () => Math.min(admission.inFlight, places));
    gauge("evoke_answers_waiting", "Answers waiting for a place.", () => Math.max(0, admission.inFlight - places));
    collectDefaultMetrics({ register: this.registry });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** The exposition text. */
  text(): Promise<string> {
    return this.registry.metrics();
  }
}
