/** What is told while a call goes on. */

/** A line for people: what was left out, where a model comes from, what is unusual. */
export interface NoticeEvent {
  type: "notice";
  /** One line of plain text. It may quote files and servers, so treat it as text from outside. */
  message: string;
}

/** How far a countable part of the work is. */
export interface ProgressEvent {
  type: "progress";
  /** What is counted, such as "writing" or a suite's name. */
  label: string;
  /** 0 to `total`. */
  done: number;
  /** Units in all. */
  total: number;
  /** What `done` and `total` count, such as "rows". */
  unit: string;
}

/** What a call tells that has nothing of its own to tell. */
export type CallEvent = NoticeEvent | ProgressEvent;

/** Options of every call. */
export interface CallOptions<Event = CallEvent> {
  /**
   * Stops the call: its promise rejects with the signal's reason, an `AbortError` unless another one was given. What was
   * finished is kept where the call has a folder, and the same call goes on from there.
   */
  signal?: AbortSignal | undefined;
  /** Told what happens, at once and in order. What it throws ends the call. */
  onProgress?: ((event: Event) => void) | undefined;
}
