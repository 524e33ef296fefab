import { describe, expect, it } from "vitest";
import { type TrainingJob, Trainings } from "./trainings.js";

/** A program whose behaviour is its last argument. */
const PROGRAM = [
  process.execPath,
  "-e",
  `const what = process.argv.at(-1);
   process.on("SIGTERM", () => { process.stderr.write("evoke: interrupted by SIGTERM\\n"); process.exit(143); });
   if (what === "fails") { process.stderr.write("a line\\nevoke: no memory for " + process.env.STUDIO_TEST_TOKEN + "\\n"); process.exit(1); }
   else if (what === "env") { process.stderr.write("evoke: " + (process.env.EVOKE_TOKEN ?? "no token") + "\\n"); process.exit(1); }
   else if (what === "ends") process.exit(0);
   else { process.stderr.write("ready\\n"); setInterval(() => {}, 1000); }`,
  "--",
] as const;

const job = (id: string, what: string): TrainingJob => {
  return { id, args: [what], about: { model: "m", method: "qlora", mode: "it" } };
};

function open(most = 2, program: [string, ...string[]] = [...PROGRAM]) {
  let told = (): void => {};
  const trainings = new Trainings(program, most, () => told());
  /** Waits until a job is in a state. */
  const state = async (id: string, wanted: string): Promise<ReturnType<Trainings["merge"]>[number]> => {
    for (;;) {
      const run = trainings.merge([]).find((each) => each.id === id);
      if (run?.state === wanted) return run;
      await new Promise<void>((resolve) => (told = resolve));
    }
  };
  return { trainings, state };
}

describe("Trainings", () => {
  it("says why one failed, without the secrets of the environment", async () => {
    process.env.STUDIO_TEST_TOKEN = "very-secret-value";
    try {
      const { trainings, state } = open();
      trainings.start(job("a", "fails"));
      expect(await state("a", "failed")).toMatchObject({ message: "no memory for •••", cancellable: false });
    } finally {
      delete process.env.STUDIO_TEST_TOKEN;
    }
  });

  it("keeps the studio's own token from its children", async () => {
    process.env.EVOKE_TOKEN = "studio-token-itself";
    try {
      const { trainings, state } = open();
      trainings.start(job("a", "env"));
      expect(await state("a", "failed")).toMatchObject({ message: "no token" });
    } finally {
      delete process.env.EVOKE_TOKEN;
    }
  });

  it("starts no more than may run at once, and none twice", async () => {
    const { trainings } = open(1);
    trainings.start(job("a", "stays"));
    expect(() => trainings.start(job("a", "stays"))).toThrow(expect.objectContaining({ status: 409 }));
    expect(() => trainings.start(job("b", "stays"))).toThrow(expect.objectContaining({ status: 429 }));
    await trainings.close();
    expect(trainings.merge([])[0]).toMatchObject({ id: "a", state: "interrupted" });
    trainings.start(job("b", "stays"));
    await trainings.close();
  });

  it("cancels its own alone, with one signal", async () => {
    const { trainings, state } = open();
    trainings.start(job("a", "stays"));
    expect(() => trainings.cancel("b")).toThrow(expect.objectContaining({ status: 409 }));
    expect(trainings.merge([])[0]).toMatchObject({ state: "starting", cancellable: true });
    trainings.cancel("a");
    trainings.cancel("a");
    expect(trainings.merge([])[0]).toMatchObject({ state: "stopping", cancellable: false });
    await state("a", "interrupted");
    expect(() => trainings.cancel("a")).toThrow(expect.objectContaining({ status: 409 }));
  });

  it("says so when the program cannot be started", async () => {
    const { trainings, state } = open(1, ["/no/such/program"]);
    trainings.start(job("a", "x"));
    expect(await state("a", "failed")).toMatchObject({ message: expect.stringContaining("ENOENT") });
  });
});
