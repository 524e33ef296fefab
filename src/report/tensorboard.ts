import { closeSync, mkdirSync, openSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { writeFully } from "../files/atomic-write.js";
import { crc32c } from "./crc32c.js";

/**
 * Writes scalars to a TensorBoard event file. Each writer makes a file of its own; TensorBoard reads all files of a
 * folder as one run, so a resumed run opens a new writer on the same folder with `fromStep`, and TensorBoard drops
 * what earlier files hold from that step on (steps that were lost with the process and are done again).
 *
 * Format: TFRecord frames (length, masked CRC-32C, payload, masked CRC-32C) around `tensorflow.Event` messages.
 */
export class EventFileWriter {
  readonly path: string;
  private fd: number | undefined;

  /**
   * @param folder created if needed.
   * @param options.fromStep first step this writer will write, when a run is resumed.
   * @param options.wallTime seconds since 1970 of the file's start.
   */
  constructor(folder: string, options: { fromStep?: number; wallTime?: number } = {}) {
    mkdirSync(folder, { recursive: true });
    const wallTime = options.wallTime ?? Date.now() / 1000;
    const opened = openNew(folder, wallTime);
    this.path = opened.path;
    this.fd = opened.fd;
    this.write([double(1, wallTime), bytes(3, utf8("brain.Event:2"))]); // file_version
    if (options.fromStep !== undefined) {
      const start = bytes(7, varint(1, 1)); // session_log { status: START }
      this.write([double(1, wallTime), varint(2, options.fromStep), start]);
    }
  }

  /**
   * Adds one point of a curve. The value is stored as float32.
   *
   * @param wallTime seconds since 1970; now if absent.
   */
  scalar(tag: string, value: number, step: number, wallTime: number = Date.now() / 1000): void {
    const summaryValue = concat([bytes(1, utf8(tag)), float(2, value)]); // Summary.Value { tag, simple_value }
    this.write([double(1, wallTime), varint(2, step), bytes(5, bytes(1, summaryValue))]);
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  /** One record in one write, so that a reader or a kill sees whole records but for the last. */
  private write(fields: Uint8Array[]): void {
    if (this.fd === undefined) throw new Error("the event file is closed");
    const event = concat(fields);
    const record = new Uint8Array(event.length + 16);
    const view = new DataView(record.buffer);
    view.setBigUint64(0, BigInt(event.length), true);
    view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
    record.set(event, 12);
    view.setUint32(12 + event.length, maskedCrc(event), true);
    writeFully(this.fd, record, this.path);
  }
}

/** TensorBoard reads a folder's files in the order of their names: zero-padded seconds, then a counter. */
function openNew(folder: string, wallTime: number): { path: string; fd: number } {
  const seconds = String(Math.floor(wallTime)).padStart(10, "0");
  for (let n = 0; ; n++) {
    const counter = String(n).padStart(4, "0");
    const path = join(folder, `events.out.tfevents.${seconds}.${counter}.${hostname()}.${process.pid}`);
    try {
      return { path, fd: openSync(path, "wx") };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

/** Rotated and shifted, so that a checksum of data that holds checksums stays sound (TFRecord format). */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

// Protocol buffers wire format: key = field number << 3 | wire type.

function varintBytes(value: number): number[] {
  const result: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) result.push(Number(rest & 127n) | 128);
  result.push(Number(rest));
  return result;
}

/** Zero is the default in proto3 and is left out, as other writers do. */
function varint(field: number, value: number): Uint8Array {
  if (value === 0) return new Uint8Array(0);
  return Uint8Array.from([...varintBytes(field << 3), ...varintBytes(value)]);
}

function double(field: number, value: number): Uint8Array {
  const result = new Uint8Array(9);
  result[0] = (field << 3) | 1;
  new DataView(result.buffer).setFloat64(1, value, true);
  return result;
}

function float(field: number, value: number): Uint8Array {
  const result = new Uint8Array(5);
  result[0] = (field << 3) | 5;
  new DataView(result.buffer).setFloat32(1, value, true);
  return result;
}

function bytes(field: number, content: Uint8Array): Uint8Array {
  return concat([Uint8Array.from([...varintBytes((field << 3) | 2), ...varintBytes(content.length)]), content]);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
