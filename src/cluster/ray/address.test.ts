import { describe, expect, it } from "vitest";
import { UsageError } from "../../errors.js";
import { addressWarnings, parseAddress } from "./address.js";

describe("parseAddress", () => {
  it.each([
    ["ray://head:8265", "http://head:8265", false, true],
    ["ray://head", "http://head:8265", false, true],
    ["ray://127.0.0.1:9000", "http://127.0.0.1:9000", false, false],
    ["http://localhost:8265/", "http://localhost:8265", false, false],
    ["ray://[::1]:8265", "http://[::1]:8265", false, false],
    ["https://ray.example.org/cluster/", "https://ray.example.org/cluster", true, true],
  ])("reads %s", (text, url, secure, remote) => {
    expect(parseAddress(text)).toEqual({ url, secure, remote });
  });

  it.each(["head:8265", "ftp://head", "ray://", "http://h/?a=1", "ray://head:10001", "ray://a b"])(
    "refuses %s",
    (text) => {
      expect(() => parseAddress(text)).toThrow(UsageError);
    },
  );

  it("does not repeat a password", () => {
    expect(() => parseAddress("https://me:secret@head")).toThrow(/^(?!.*secret).*RAY_AUTH_TOKEN/);
  });
});

describe("addressWarnings", () => {
  const warn = (text: string, token?: string) => addressWarnings(parseAddress(text), token, "T").join("\n");
  it("is silent for this machine and for TLS with a token", () => {
    expect(warn("ray://localhost")).toBe("");
    expect(warn("https://head", "x")).toBe("");
  });
  it("warns of plain HTTP and of a missing token", () => {
    expect(warn("ray://head", "x")).toMatch(/without TLS: recipe, rows and token/);
    expect(warn("ray://head", "x")).not.toMatch(/no token/);
    expect(warn("https://head")).toMatch(/no token for https:\/\/head \(T is empty\)/);
    expect(warn("ray://head").split("\n")).toHaveLength(2);
  });
});
