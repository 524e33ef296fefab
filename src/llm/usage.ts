import { FailureError } from "../errors.js";

/** The model as a whole cannot go on (server gone, key refused, budget used up); asking again now is pointless. */
export class ModelUnavailableError extends FailureError {}

/** Limits for one model object; 0 or undefined means none. */
export interface Budget {
  /** HTTP requests sent, retries included. */
  maxRequests?: number;
  /** Prompt and output tokens together, as the server reports them. Requests under way may pass it a little. */
  maxTokens?: number;
}

/** US dollars per million tokens. */
export interface Price {
  /** Of tokens read. */
  prompt: number;
  /** Of tokens written. */
  output: number;
}

/** What a server was asked for so far. */
export interface Usage {
  /** HTTP requests sent, retries included. */
  requests: number;
  /** Requests answered in full. */
  answered: number;
  /** Tokens read, as the server counts. */
  promptTokens: number;
  /** Tokens written, as the server counts. */
  outputTokens: number;
  /** US dollars; absent without a price. */
  cost?: number;
  /** Failed attempts by kind, such as "HTTP 429" or "connection". */
  errors: Record<string, number>;
}

/** Counts what a model has used, and says when the budget is gone. */
export class UsageMeter {
  readonly usage: Usage = { requests: 0, answered: 0, promptTokens: 0, outputTokens: 0, errors: {} };

  constructor(
    private readonly budget: Budget = {},
    private readonly price?: Price,
  ) {
    if (price) this.usage.cost = 0;
  }

  /** Counts one request about to be sent. @throws ModelUnavailableError when the budget does not allow it. */
  beforeRequest(): void {
    const { maxRequests, maxTokens } = this.budget;
    const tokens = this.usage.promptTokens + this.usage.outputTokens;
    if (maxRequests && this.usage.requests >= maxRequests)
      throw new ModelUnavailableError(
        `the budget of ${maxRequests} requests is used up; finished answers are kept, raise --max-requests to go on`,
      );
    if (maxTokens && tokens >= maxTokens)
      throw new ModelUnavailableError(
        `the budget of ${maxTokens} tokens is used up (${tokens}); finished answers are kept, raise --max-tokens to go on`,
      );
    this.usage.requests++;
  }

  answered(promptTokens: number, outputTokens: number): void {
    this.usage.answered++;
    this.usage.promptTokens += promptTokens;
    this.usage.outputTokens += outputTokens;
    if (this.price)
      this.usage.cost =
        (this.usage.promptTokens * this.price.prompt + this.usage.outputTokens * this.price.output) / 1e6;
  }

  failed(kind: string): void {
    this.usage.errors[kind] = (this.usage.errors[kind] ?? 0) + 1;
  }
}

/** "12 requests, 3 failed attempts (HTTP 429 × 2, connection × 1), 340 + 120 tokens, $0.0012" */
export function describeUsage(usage: Usage): string {
  const kinds = Object.entries(usage.errors).sort((a, b) => b[1] - a[1]);
  const failed = kinds.reduce((sum, [, count]) => sum + count, 0);
  const parts = [`${usage.requests} requests`];
  if (failed > 0)
    parts.push(`${failed} failed attempts (${kinds.map(([kind, count]) => `${kind} × ${count}`).join(", ")})`);
  parts.push(`${usage.promptTokens} + ${usage.outputTokens} tokens`);
  if (usage.cost !== undefined) parts.push(`$${usage.cost.toFixed(4)}`);
  return parts.join(", ");
}
