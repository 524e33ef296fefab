/** What the server tells as it happens: the catalogue, and the curves of the runs in view. */
import { effect, signal } from "@preact/signals";
import type { Catalogue, MetricPoint, StudioEvent } from "../../src/serve/studio/wire.js";
import { ApiError, stream, tokenWanted } from "./api.js";

/** Undefined until the first word of the server. */
export const catalogue = signal<Catalogue>();
/** Points by run. A new array for each change. */
export const curves = signal<Readonly<Record<string, readonly MetricPoint[]>>>({});
export const connected = signal(true);

/** Runs whose curves are in view, as one text, so that setting the same again changes nothing. */
const followed = signal("");

/** Follows these runs and no others. */
export function follow(runs: readonly string[]): void {
  followed.value = runs.join("\n");
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;

/** Listens until the page is closed; comes back by itself after a break. */
export function listen(): () => void {
  return effect(() => {
    const run = followed.value.split("\n").filter(Boolean);
    if (tokenWanted.value !== "no") return;
    const stop = new AbortController();
    void (async () => {
      for (let wait = FIRST_WAIT_MS; !stop.signal.aborted; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
        try {
          await stream<StudioEvent>("/api/events", {
            query: { run },
            abort: stop.signal,
            onEvent: (event) => {
              connected.value = true;
              wait = FIRST_WAIT_MS;
              take(event);
            },
          });
        } catch (error) {
          if (stop.signal.aborted || (error instanceof ApiError && error.status === 401)) return;
        }
        if (stop.signal.aborted) return;
        connected.value = false;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    })();
    return () => stop.abort();
  });
}

function take(event: StudioEvent): void {
  if (event.type === "catalogue") catalogue.value = event.catalogue;
  else if (event.type === "metrics") curves.value = { ...curves.value, [event.run]: event.points };
  else curves.value = { ...curves.value, [event.run]: [...(curves.value[event.run] ?? []), ...event.points] };
}
