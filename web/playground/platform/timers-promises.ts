/** `node:timers/promises`, of which the engine waits for the next turn of the event loop. */
import { setImmediate as nextTurn } from "./globals.js";

export const setImmediate = (): Promise<void> => new Promise((resolve) => nextTurn(resolve));
