import { Writable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createProgress } from "./progress.js";
import { controlStream, guardTerminal, visible, writeControl } from "./terminal.js";

/** Whether a terminal would obey a character: anything but printable ones, tab and a newline with or without its return. */
function obeyed(text: string): boolean {
  return [...text].some((character, at, all) => {
    const code = character.charCodeAt(0);
    if (code === 13) return all[at + 1] !== "\n";
    const control = (code < 32 && code !== 9 && code !== 10) || (code >= 0x7f && code <= 0x9f);
    return control || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  });
}

function terminal(isTTY = true) {
  let written = "";
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      written += chunk;
      done();
    },
  }) as Writable & { isTTY: boolean };
  stream.isTTY = isTTY;
  const tty = stream as unknown as NodeJS.WriteStream;
  guardTerminal(tty);
  return { tty, written: () => written };
}

describe("visible", () => {
  it.each([
    ["CSI", "\x1b[2J\x1b[31mred", "\\x1b[2J\\x1b[31mred"],
    ["OSC title", "\x1b]0;title\x07", "\\x1b]0;title\\x07"],
    ["OSC 52 clipboard", "\x1b]52;c;cm0=\x1b\\", "\\x1b]52;c;cm0=\\x1b\\"],
    ["C1 CSI", "\u009b31m", "\\x9b31m"],
    ["carriage return", "paid\rfree", "paid\\x0dfree"],
    ["backspace and delete", "a\b\x7f", "a\\x08\\x7f"],
    ["direction", "a\u202eb\u2066", "a\\u202eb\\u2066"],
  ])("shows %s", (_, given, shown) => expect(visible(given)).toBe(shown));

  it("leaves plain text of any script, tabs and line ends alone", () => {
    const text = "a\tb\nc\r\nשלום 你好 🙂 e\u0301";
    expect(visible(text)).toBe(text);
  });

  it("lets nothing through, whatever is given, also in pieces", () => {
    const nasty = fc.string({ unit: fc.integer({ min: 0, max: 0x2100 }).map((code) => String.fromCharCode(code)) });
    fc.assert(
      fc.property(fc.array(nasty), (pieces) => {
        const { tty, written } = terminal();
        for (const piece of pieces) tty.write(piece);
        expect(obeyed(written())).toBe(false);
      }),
    );
  });
});

describe("a guarded stream", () => {
  it("shows what is written as bytes, too", () => {
    const { tty, written } = terminal();
    tty.write(Buffer.from("\x1b[2Jé"));
    expect(written()).toBe("\\x1b[2Jé");
  });

  it("gives a pipe every byte", () => {
    const { tty, written } = terminal(false);
    tty.write("\x1b[2J");
    expect(written()).toBe("\x1b[2J");
  });

  it("obeys what the program draws itself", () => {
    const { tty, written } = terminal();
    writeControl(tty, "\x1b[2K");
    controlStream(tty).write("\x1b[1G");
    expect(written()).toBe("\x1b[2K\x1b[1G");
  });

  it("moves the line of a progress, whose label and note are shown", () => {
    const { tty, written } = terminal();
    let ms = 0;
    const progress = createProgress({ label: "\x1b]0;x\x07a\nb", stream: tty, now: () => ms });
    ms = 5000;
    progress.update(1, "\x1b[2J");
    expect(written()).toBe("\r\x1b[2K\\x1b]0;x\\x07a\\x0ab 1 · 0.20/s · \\x1b[2J");
  });
});
