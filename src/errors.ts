/**
 * Errors a user can act on. The command line prints `message` as one line and exits with `exitCode`;
 * anything else that is thrown is a defect of ours.
 */
export class EvokeError extends Error {
  constructor(
    message: string,
    /** What the program ends with: 1 the work failed, 2 the call cannot be used. */
    readonly exitCode: 1 | 2,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Bad usage, configuration or input that the user can correct before running again: exit code 2. */
export class UsageError extends EvokeError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 2, options);
  }
}

/** A prompt that is longer than the model reads. */
export class ContextLengthError extends UsageError {}

/** The work itself failed (I/O, a damaged file, memory, a server): exit code 1. */
export class FailureError extends EvokeError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 1, options);
  }
}

/** A server that does not answer; the cause says it without what to do. */
export class UnreachableError extends FailureError {}

/** Stopped by SIGINT (130) or SIGTERM (143) after the state was saved. */
export class InterruptedError extends Error {
  constructor(
    /** The signal that asked for the stop. */
    readonly signal: "SIGINT" | "SIGTERM",
  ) {
    super(`interrupted by ${signal}`);
    this.name = "InterruptedError";
  }
  get exitCode(): 130 | 143 {
    return this.signal === "SIGINT" ? 130 : 143;
  }
}
