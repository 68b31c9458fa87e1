// The daemon's event stream: `text/event-stream` framing read by fetch, because EventSource can carry no proof.
// Reconnects with back-off, replays from the last id it saw, and stops for good when the session is over.

import { Denied } from "./denial";

export interface Frame {
  id: string | null;
  event: string;
  data: string;
}

/** Splits a stream into frames, however its bytes are cut. Comments and empty frames yield nothing. */
export class Framer {
  #rest = "";
  #id: string | null = null;
  #event = "";
  #data: string[] = [];
  #decoder = new TextDecoder();

  push(bytes: Uint8Array): Frame[] {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    const frames: Frame[] = [];
    for (;;) {
      const cut = /\r\n|\n|\r(?=[\s\S])/.exec(this.#rest);
      if (!cut) return frames;
      const line = this.#rest.slice(0, cut.index);
      this.#rest = this.#rest.slice(cut.index + cut[0].length);
      const frame = this.#line(line);
      if (frame) frames.push(frame);
    }
  }

  #line(line: string): Frame | null {
    if (line === "") return this.#flush();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }

  #flush(): Frame | null {
    const frame = { id: this.#id, event: this.#event || "message", data: this.#data.join("\n") };
    const any = this.#data.length > 0;
    this.#event = "";
    this.#data = [];
    return any ? frame : null;
  }
}

export type Link =
  | { state: "connecting" }
  | { state: "live" }
  | { state: "waiting"; ms: number }
  | { state: "over" };

export interface Line {
  dial: (lastId: string | null, signal: AbortSignal) => Promise<Response>;
  heard: (event: string, data: unknown) => void;
  link: (link: Link) => void;
  sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 0..1; spreads the reconnects of many tabs. */
  chance?: () => number;
  /** Heartbeats come every 15 s; two and a half of them missed means the line is dead. */
  silenceMs?: number;
}

const FIRST_WAIT_MS = 500;
const LAST_WAIT_MS = 30_000;

export const backOff = (failures: number, chance: number): number =>
  Math.round(Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures, 10)) * (0.75 + chance / 2));

/** Follows the stream until `stop` aborts or the session is over. */
export async function follow(line: Line, stop: AbortSignal): Promise<void> {
  const sleep = line.sleep ?? pause;
  const chance = line.chance ?? Math.random;
  let lastId: string | null = null;
  let failures = 0;
  while (!stop.aborted) {
    line.link({ state: "connecting" });
    try {
      await listen(line, lastId, stop, (id) => {
        failures = 0;
        if (id !== null) lastId = id;
      });
    } catch (cause) {
      if (stop.aborted) return;
      if (cause instanceof Denied && (cause.sessionOver || cause.status === 401)) {
        line.link({ state: "over" });
        return;
      }
    }
    if (stop.aborted) return;
    const ms = backOff(failures, chance());
    failures += 1;
    line.link({ state: "waiting", ms });
    await sleep(ms, stop);
  }
}

async function listen(
  line: Line,
  lastId: string | null,
  stop: AbortSignal,
  seen: (id: string | null) => void,
): Promise<void> {
  const ours = new AbortController();
  const end = (): void => ours.abort();
  stop.addEventListener("abort", end, { once: true });
  let watchdog: ReturnType<typeof setTimeout> | undefined;
  const wound = (): void => {
    clearTimeout(watchdog);
    watchdog = setTimeout(end, line.silenceMs ?? 40_000);
  };
  try {
    wound();
    const answer = await line.dial(lastId, ours.signal);
    const reader = answer.body?.getReader();
    if (!reader) return;
    line.link({ state: "live" });
    const framer = new Framer();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      wound();
      seen(null);
      for (const frame of framer.push(value)) {
        deliver(line, frame);
        seen(frame.id);
      }
    }
  } finally {
    clearTimeout(watchdog);
    stop.removeEventListener("abort", end);
    ours.abort();
  }
}

/** A frame that is not JSON is dropped: one bad event must not end the stream. */
function deliver(line: Line, frame: Frame): void {
  let data: unknown;
  try {
    data = JSON.parse(frame.data);
  } catch {
    return;
  }
  line.heard(frame.event, data);
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const stop = (): void => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener("abort", stop, { once: true });
  });
