import type { CallEvent } from "../api/events.js";
import { createProgress, type Progress } from "../progress/progress.js";
import { say } from "./output.js";

/** Shows a call's events: notices as lines, progress as one line for each thing that is counted. */
export function showEvents(global: { quiet: boolean }): { onProgress(event: CallEvent): void; finish(): void } {
  let line: Progress | undefined;
  let shown = "";
  let reached = 0;
  return {
    onProgress(event) {
      if (event.type === "notice") return say(event.message, global);
      const { label, done, total, unit } = event;
      const key = `${label} ${total}`;
      if (key !== shown || done < reached) {
        line?.finish();
        line = createProgress({ label, total, unit, quiet: global.quiet });
        shown = key;
      }
      reached = done;
      line?.update(done);
    },
    finish: () => line?.finish(),
  };
}
