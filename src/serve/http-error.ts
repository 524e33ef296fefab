import { ContextLengthError, UsageError } from "../errors.js";

/** As OpenAI's clients read it. */
export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
}

/** A refusal with the status and body of the OpenAI API. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly details: { code?: string; param?: string; headers?: Record<string, string> } = {},
  ) {
    super(message);
    this.name = "HttpError";
  }

  body(): ErrorBody {
    const { status, message, details } = this;
    const type =
      status === 429
        ? "rate_limit_error"
        : status === 401
          ? "authentication_error"
          : status < 500
            ? "invalid_request_error"
            : "server_error";
    return { error: { message, type, param: details.param ?? null, code: details.code ?? null } };
  }
}

/** What a client is told of any failure. What went wrong inside may name files: that is for the log alone. */
export function toHttpError(error: unknown, log?: (line: string) => void): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof ContextLengthError)
    return new HttpError(400, error.message, { code: "context_length_exceeded" });
  if (error instanceof UsageError) return new HttpError(400, error.message, { code: "invalid_value" });
  log?.(`error: ${(error instanceof Error ? error.message : String(error)).split("\n")[0]}`);
  return new HttpError(500, "the model failed to answer; the server's log says why");
}
