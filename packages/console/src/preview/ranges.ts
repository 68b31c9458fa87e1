// Text by ranges: one piece at a time, so that a log of gigabytes opens as fast as a note.

import { type Ranges, Unlisted } from "../archive/read";
import { Denied, denialOf, unreachable } from "../denial";

/** What a screen of text needs, and some more to scroll through. */
export const FIRST_PIECE = 256 * 1024;

export interface Piece {
  text: string;
  /** Where the next piece starts; null at the end of the file. */
  next: number | null;
  total: number | null;
}

/** Reads a file from its start, piece after piece. Characters cut by a piece's edge are kept for the next one. */
export class TextReader {
  #decoder = new TextDecoder();
  #at: number | null = 0;

  constructor(
    private readonly url: string,
    private readonly fetcher: (url: string, init: RequestInit) => Promise<Response> = (url, init) =>
      fetch(url, init),
  ) {}

  async read(length: number, signal: AbortSignal): Promise<Piece> {
    if (this.#at === null) return { text: "", next: null, total: null };
    const from = this.#at;
    const answer = await this.#fetch(`bytes=${from}-${from + length - 1}`, signal);
    // An empty file has no satisfiable range.
    if (answer.status === 416) return this.#ended(0);
    if (!answer.ok) throw await denialOf(answer);
    const total = totalOf(answer);
    const bytes = await firstBytes(answer, length);
    const reached = from + bytes.length;
    const more = bytes.length > 0 && (total === null ? bytes.length === length : reached < total);
    this.#at = more ? reached : null;
    return { text: this.#decoder.decode(bytes, { stream: more }), next: this.#at, total };
  }

  #ended(total: number): Piece {
    this.#at = null;
    return { text: "", next: null, total };
  }

  #fetch(range: string, signal: AbortSignal): Promise<Response> {
    return asked(this.fetcher, this.url, range, signal);
  }
}

type Fetcher = (url: string, init: RequestInit) => Promise<Response>;

/** A file behind a media URL, read here and there. No answer is read further than was asked for. */
export function rangesOf(
  url: string,
  size: number | null,
  signal: AbortSignal,
  fetcher: Fetcher = (to, init) => fetch(to, init),
): Ranges {
  const answered = async (from: number, length: number): Promise<Response> => {
    const answer = await asked(fetcher, url, `bytes=${from}-${from + length - 1}`, signal);
    if (!answer.ok && answer.status !== 416) throw await denialOf(answer);
    // A source that cannot seek answers with everything, from its start.
    if (answer.status === 200 && from > 0) {
      await answer.body?.cancel();
      throw new Unlisted("Its source gives no ranges, so only the whole of it can be had");
    }
    return answer;
  };
  return {
    size,
    read: async (from, length) => {
      if (length <= 0) return new Uint8Array();
      const answer = await answered(from, length);
      return answer.status === 416 ? new Uint8Array() : firstBytes(answer, length);
    },
    stream: async (most) => {
      const answer = await answered(0, most);
      return answer.body ?? new ReadableStream({ start: (controller) => controller.close() });
    },
  };
}

async function asked(fetcher: Fetcher, url: string, range: string, signal: AbortSignal): Promise<Response> {
  try {
    return await fetcher(url, { headers: { range }, credentials: "omit", cache: "no-store", signal });
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new Denied(0, unreachable().denial, "The content listener does not answer");
  }
}

export function totalOf(answer: Response): number | null {
  const range = /\/(\d+)$/.exec(answer.headers.get("content-range") ?? "")?.[1];
  const length = answer.status === 200 ? answer.headers.get("content-length") : null;
  const total = Number(range ?? length ?? Number.NaN);
  return Number.isSafeInteger(total) ? total : null;
}

/** A server may answer 200 with the whole file: no more than was asked for is ever read. */
async function firstBytes(answer: Response, length: number): Promise<Uint8Array> {
  const reader = answer.body?.getReader();
  if (!reader) return new Uint8Array();
  const parts: Uint8Array[] = [];
  let held = 0;
  while (held < length) {
    const { done, value } = await reader.read();
    if (done) break;
    const part = value.subarray(0, length - held);
    parts.push(part);
    held += part.length;
  }
  await reader.cancel().catch(() => {});
  const whole = new Uint8Array(held);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const looksBinary = (text: string): boolean => text.slice(0, 4096).includes("\0");

/** `1\n2\n3` for the gutter beside a text. */
export function gutter(text: string): string {
  let lines = 1;
  for (let i = text.indexOf("\n"); i >= 0 && i < text.length - 1; i = text.indexOf("\n", i + 1)) lines += 1;
  return Array.from({ length: lines }, (_, i) => i + 1).join("\n");
}
