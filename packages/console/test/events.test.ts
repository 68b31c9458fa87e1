import { describe, expect, it } from "vitest";
import { Denied } from "../src/denial";
import { backOff, type Frame, Framer, follow, type Line, type Link } from "../src/events";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function framed(text: string, size: number): Frame[] {
  const framer = new Framer();
  const all = bytes(text);
  const frames: Frame[] = [];
  for (let at = 0; at < all.length; at += size) frames.push(...framer.push(all.subarray(at, at + size)));
  return frames;
}

describe("framing", () => {
  const text = ': beat\n\nid: 7\nevent: audit\ndata: {"a":"é€😀"}\n\nid: 8\ndata: 1\ndata: 2\n\n';

  it.each([1, 2, 3, 5, 1000])("reads the same frames from chunks of %i bytes", (size) => {
    expect(framed(text, size)).toEqual([
      { id: "7", event: "audit", data: '{"a":"é€😀"}' },
      { id: "8", event: "message", data: "1\n2" },
    ]);
  });

  it.each([1, 4, 1000])("takes CR LF and CR as line ends, cut anywhere (%i)", (size) => {
    expect(framed("id: 1\r\ndata: a\r\n\r\ndata: b\r\rdata: c\n\n", size)).toEqual([
      { id: "1", event: "message", data: "a" },
      { id: "1", event: "message", data: "b" },
      { id: "1", event: "message", data: "c" },
    ]);
  });

  it("yields nothing for comments, empty frames and a frame that never ends", () => {
    expect(framed(": beat\n\n: beat\n\nevent: x\n\ndata: unfinished\n", 3)).toEqual([]);
  });

  it("keeps only one space after the colon off, and ignores ids with NUL", () => {
    expect(framed("id: a\0b\ndata:  two\n\n", 100)).toEqual([{ id: null, event: "message", data: " two" }]);
  });
});

describe("back-off", () => {
  it("doubles, spreads, and stops at half a minute", () => {
    expect([0, 1, 2, 3].map((n) => backOff(n, 0.5))).toEqual([500, 1000, 2000, 4000]);
    expect(backOff(0, 0)).toBe(375);
    expect(backOff(40, 0.5)).toBe(30_000);
  });
});

type Dialled = Response | Error;

function line(dials: Dialled[], stop: AbortController) {
  const heard: [string, unknown][] = [];
  const links: Link[] = [];
  const waits: number[] = [];
  const ids: (string | null)[] = [];
  const made: Line = {
    dial: async (lastId) => {
      ids.push(lastId);
      const next = dials.shift();
      if (!next) {
        stop.abort();
        throw new Error("no more");
      }
      if (next instanceof Error) throw next;
      return next;
    },
    heard: (event, data) => heard.push([event, data]),
    link: (link) => links.push(link),
    sleep: async (ms) => void waits.push(ms),
    chance: () => 0.5,
  };
  return { made, heard, links, waits, ids };
}

const stream = (...parts: string[]): Response =>
  new Response(
    new ReadableStream({
      start(controller) {
        for (const part of parts) controller.enqueue(bytes(part));
        controller.close();
      },
    }),
  );

describe("following", () => {
  it("replays from the last id it saw", async () => {
    const stop = new AbortController();
    const first = stream("id: 4\nevent: audit\nda", 'ta: {"n":1}\n\n');
    const { made, heard, ids } = line([first, stream("id: 5\nevent: resync\ndata: {}\n\n")], stop);
    await follow(made, stop.signal);
    expect(heard).toEqual([
      ["audit", { n: 1 }],
      ["resync", {}],
    ]);
    expect(ids).toEqual([null, "4", "5"]);
  });

  it("waits longer after each failure, and starts over once the stream spoke", async () => {
    const stop = new AbortController();
    const away = (): Error => new Denied(0, "unreachable", "away");
    const { made, waits } = line([away(), away(), away(), stream(": beat\n\n"), away()], stop);
    await follow(made, stop.signal);
    expect(waits).toEqual([500, 1000, 2000, 500, 1000]);
  });

  it("stops for good when the session is over", async () => {
    const stop = new AbortController();
    const { made, links, waits } = line([new Denied(401, "browserSessionExpired", "over")], stop);
    await follow(made, stop.signal);
    expect(links.at(-1)).toEqual({ state: "over" });
    expect(waits).toEqual([]);
  });

  it("drops a frame that is not JSON and goes on", async () => {
    const stop = new AbortController();
    const { made, heard } = line([stream("data: {oops\n\ndata: 1\n\n")], stop);
    await follow(made, stop.signal);
    expect(heard).toEqual([["message", 1]]);
  });

  it("gives up on a line that is silent for too long", async () => {
    const stop = new AbortController();
    const dead = (signal: AbortSignal): Response =>
      new Response(
        new ReadableStream({
          start: (controller) =>
            signal.addEventListener("abort", () => controller.error(new Error("aborted"))),
        }),
      );
    const { made, waits } = line([], stop);
    let dialled = 0;
    await follow(
      {
        ...made,
        silenceMs: 5,
        sleep: async (ms) => {
          if (waits.push(ms) === 2) stop.abort();
        },
        dial: async (_id, signal) => {
          dialled += 1;
          return dead(signal);
        },
      },
      stop.signal,
    );
    expect(dialled).toBe(2);
    expect(waits).toEqual([500, 1000]);
  });
});
