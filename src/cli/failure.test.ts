import { CommanderError } from "commander";
import { describe, expect, it } from "vitest";
import { FailureError, InterruptedError, UsageError } from "../errors.js";
import { describeFailure } from "./failure.js";

describe("describeFailure", () => {
  it("keeps the exit code and message of errors a user can act on, on one line", () => {
    expect(describeFailure(new UsageError("a.yaml: bad\n  key"))).toEqual({ exitCode: 2, line: "a.yaml: bad key" });
    expect(describeFailure(new FailureError("no"))).toEqual({ exitCode: 1, line: "no" });
  });
  it("gives signals their shell codes", () => {
    expect(describeFailure(new InterruptedError("SIGINT")).exitCode).toBe(130);
    expect(describeFailure(new InterruptedError("SIGTERM")).exitCode).toBe(143);
  });
  it("maps commander's errors to 2 and its help to 0", () => {
    expect(describeFailure(new CommanderError(1, "commander.unknownOption", "x"))).toEqual({ exitCode: 2 });
    expect(describeFailure(new CommanderError(0, "commander.help", "x"))).toEqual({ exitCode: 0 });
  });
  it("puts system errors into words", () => {
    const error = Object.assign(new Error("ENOSPC: no space"), { code: "ENOSPC", path: "/runs/a" });
    expect(describeFailure(error)).toEqual({
      exitCode: 1,
      line: "/runs/a: no space left on the disk; free some and run again",
    });
  });
  it("says when memory is the matter", () => {
    let thrown: unknown;
    try {
      new Float64Array(2 ** 50);
    } catch (error) {
      thrown = error;
    }
    expect(describeFailure(thrown).line).toMatch(/^out of memory/);
  });
  it("calls anything else an internal error", () => {
    expect(describeFailure(new TypeError("x is\nnot")).line).toBe(
      "internal error: x is not (set EVOKE_DEBUG=1 for details)",
    );
    expect(describeFailure(null)).toMatchObject({ exitCode: 1 });
  });
});
