import { describe, expect, it } from "vitest";
import { gutter, looksBinary, TextReader } from "../src/preview/ranges";

/** A content listener of one file. `whole` ignores ranges, as some do. */
function listener(file: Uint8Array<ArrayBuffer>, whole = false) {
  const ranges: string[] = [];
  const fetcher = async (_url: string, init: RequestInit): Promise<Response> => {
    const range = new Headers(init.headers).get("range") ?? "";
    ranges.push(range);
    if (whole) return new Response(file, { headers: { "content-length": String(file.length) } });
    const [from = 0, to = 0] = range.replace("bytes=", "").split("-").map(Number);
    if (from >= file.length) return new Response(null, { status: 416 });
    const end = Math.min(to, file.length - 1);
    const headers = { "content-range": `bytes ${from}-${end}/${file.length}` };
    return new Response(file.slice(from, end + 1), { status: 206, headers });
  };
  return { ranges, reader: new TextReader("http://c/m/x", fetcher) };
}

const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const never = new AbortController().signal;

describe("text by ranges", () => {
  it("reads piece after piece, and joins characters cut in two", async () => {
    const text = "aé€😀".repeat(5);
    const { reader, ranges } = listener(encode(text));
    let read = "";
    for (let piece = await reader.read(3, never); ; piece = await reader.read(3, never)) {
      read += piece.text;
      if (piece.next === null) break;
    }
    expect(read).toBe(text);
    expect(ranges[0]).toBe("bytes=0-2");
    expect(ranges[1]).toBe("bytes=3-5");
  });

  it("never reads more than was asked for, even when the answer is the whole file", async () => {
    const { reader } = listener(encode("0123456789"), true);
    expect(await reader.read(4, never)).toEqual({ text: "0123", next: 4, total: 10 });
  });

  it("ends at the end", async () => {
    const { reader } = listener(encode("abc"));
    expect(await reader.read(100, never)).toEqual({ text: "abc", next: null, total: 3 });
    expect(await reader.read(100, never)).toEqual({ text: "", next: null, total: null });
  });

  it("takes 416 for an empty file", async () => {
    const { reader } = listener(encode(""));
    expect(await reader.read(100, never)).toEqual({ text: "", next: null, total: 0 });
  });

  it("turns a refusal into its denial", async () => {
    const body = JSON.stringify({ denial: "grantRevoked", message: "Revoked.", requestId: "r" });
    const reader = new TextReader("u", async () => new Response(body, { status: 403 }));
    await expect(reader.read(10, never)).rejects.toMatchObject({ denial: "grantRevoked" });
  });
});

describe("line numbers", () => {
  it("counts lines as editors do", () => {
    expect(gutter("")).toBe("1");
    expect(gutter("a")).toBe("1");
    expect(gutter("a\n")).toBe("1");
    expect(gutter("a\nb")).toBe("1\n2");
    expect(gutter("\n\n\n")).toBe("1\n2\n3");
  });

  it("notices binary data", () => {
    expect(looksBinary("abc\0def")).toBe(true);
    expect(looksBinary("abc")).toBe(false);
  });
});
