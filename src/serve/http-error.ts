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

  /** `{error: {message, type, param, code}}` as OpenAI's clients read it. */
  body(): { error: { message: string; type: string; param: string | null; code: string | null } } {
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
