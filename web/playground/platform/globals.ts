/** Names that Node.js gives every module. */
export { Buffer } from "buffer/";

export const process = {
  env: {} as Record<string, string | undefined>,
  pid: 1,
  platform: "browser",
  constrainedMemory: (): number => 0,
  memoryUsage: { rss: (): number => 0 },
  cwd: (): string => "/",
};

const waiting: (() => void)[] = [];
const { port1, port2 } = new MessageChannel();
port1.onmessage = () => waiting.shift()?.();

/** The next turn of the event loop, without the four milliseconds that timers wait. */
export function setImmediate(work: () => void): void {
  waiting.push(work);
  port2.postMessage(0);
}
