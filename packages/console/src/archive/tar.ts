// A tar has no table of contents: its headers lie between the files. A plain tar is read header by header, over the
// contents, with a bound on ranges; a gzipped one only as far as a few megabytes of it go.

import {
  ascii,
  type Contents,
  isTar,
  MOST_BYTES,
  MOST_ENTRIES,
  type Packed,
  type Ranges,
  Unlisted,
} from "./read";

const BLOCK = 512;
const PIECE = 64 * 1024;
/** Each costs a round trip, and for a bucket a request that is paid for. */
const MOST_RANGES = 128;
/** Unpacked bytes that a gzipped tar is followed through. */
const MOST_UNPACKED = 64 * 1024 * 1024;
/** Longer names than any file system has are not read. */
const LONGEST_NAME = 64 * 1024;
/** What is given to the unpacker at once: gzip makes a thousand times as much of it, which stands in memory. */
const BITE = 4 * 1024;

/** Goes on in a file; fewer bytes than asked for mean its end. */
interface Tape {
  take: (length: number) => Promise<Uint8Array>;
  /** False if the file is known to end before. */
  skip: (length: number) => Promise<boolean>;
}

class Spent extends Error {}

export function readTar(file: Ranges): Promise<Contents> {
  return follow(new RangeTape(file), "tar");
}

export async function readTarGz(file: Ranges): Promise<Contents> {
  const packed = await file.stream(MOST_BYTES);
  const unpacked = packed
    .pipeThrough(bites())
    .pipeThrough(new DecompressionStream("gzip") as unknown as ReadableWritablePair<Uint8Array, Uint8Array>);
  const tape = new StreamTape(unpacked.getReader());
  try {
    return await follow(tape, "tar.gz");
  } finally {
    tape.stop();
  }
}

function bites(): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform(chunk, out) {
      for (let at = 0; at < chunk.length; at += BITE) out.enqueue(chunk.subarray(at, at + BITE));
    },
  });
}

async function follow(tape: Tape, kind: Contents["kind"]): Promise<Contents> {
  const entries: Packed[] = [];
  const done = (cut: string | null): Contents => ({ kind, entries, cut });
  const soFar = (): string => `The first ${entries.length.toLocaleString("en-GB")} entries`;
  let said: { path?: string; size?: number } = {};
  try {
    for (let first = true; ; first = false) {
      const head = await tape.take(BLOCK);
      if (first && !isTar(head)) throw new Unlisted("It holds one compressed file, not a list of files");
      if (head.length < BLOCK) return done(head.length === 0 ? null : "The archive is cut off after these");
      if (head.every((byte) => byte === 0)) return done(null);
      if (!isTar(head)) return done("The archive is damaged after these");
      if (entries.length >= MOST_ENTRIES) return done(soFar());
      const type = String.fromCharCode(head[156] ?? 0);
      const isNote = "Lxg".includes(type);
      // A size that was said before is the file's, not that of another note in between.
      const size = (isNote ? undefined : said.size) ?? numberOf(head.subarray(124, 136));
      if (size === null) return done("The archive is damaged after these");
      const padded = Math.ceil(size / BLOCK) * BLOCK;
      if (isNote) {
        if (size > LONGEST_NAME) return done("The archive is damaged after these");
        const told = (await tape.take(padded)).subarray(0, size);
        if (type === "L") said = { ...said, path: text(told) };
        if (type === "x") said = { ...said, ...paxOf(told) };
        continue;
      }
      const path = said.path ?? nameOf(head);
      const folder = type === "5" || path.endsWith("/");
      entries.push({
        path: folder && !path.endsWith("/") ? `${path}/` : path,
        size: folder ? 0 : size,
        folder,
        locked: false,
      });
      said = {};
      // Links and devices have no contents, whatever size they claim.
      if ("12346".includes(type)) continue;
      if (!(await tape.skip(padded))) return done("The archive is cut off after these");
    }
  } catch (cause) {
    if (cause instanceof Spent) return done(soFar());
    // A stream that breaks off, or is no gzip after all, spoils only what follows.
    if (cause instanceof TypeError && entries.length > 0) return done("The archive is damaged after these");
    throw cause;
  }
}

class RangeTape implements Tape {
  #at = 0;
  #held = new Uint8Array();
  #heldAt = 0;
  #ranges = 0;

  constructor(private readonly file: Ranges) {}

  async take(length: number): Promise<Uint8Array> {
    const from = this.#at - this.#heldAt;
    if (from < 0 || from + length > this.#held.length) await this.#fetch(length);
    const start = this.#at - this.#heldAt;
    const part = this.#held.subarray(start, start + length);
    this.#at += part.length;
    return part;
  }

  async skip(length: number): Promise<boolean> {
    this.#at += length;
    // Past what can be counted lies no file.
    return this.#at <= (this.file.size ?? Number.MAX_SAFE_INTEGER);
  }

  async #fetch(length: number): Promise<void> {
    const { size } = this.file;
    this.#heldAt = this.#at;
    this.#held = new Uint8Array();
    if (size !== null && this.#at >= size) return;
    if (this.#ranges >= MOST_RANGES) throw new Spent();
    this.#ranges += 1;
    this.#held = new Uint8Array(await this.file.read(this.#at, Math.max(length, PIECE)));
  }
}

class StreamTape implements Tape {
  #held = new Uint8Array();
  #seen = 0;

  constructor(private readonly reader: ReadableStreamDefaultReader<Uint8Array>) {}

  async take(length: number): Promise<Uint8Array> {
    while (this.#held.length < length && (await this.#more()));
    const part = this.#held.slice(0, length);
    this.#held = this.#held.subarray(part.length);
    return part;
  }

  async skip(length: number): Promise<boolean> {
    let left = length;
    for (;;) {
      const part = Math.min(left, this.#held.length);
      this.#held = this.#held.subarray(part);
      left -= part;
      if (left === 0) return true;
      if (!(await this.#more())) return false;
    }
  }

  stop(): void {
    void this.reader.cancel().catch(() => {});
  }

  async #more(): Promise<boolean> {
    if (this.#seen >= MOST_UNPACKED) throw new Spent();
    let read: ReadableStreamReadResult<Uint8Array>;
    try {
      read = await this.reader.read();
    } catch {
      // What was asked for ends in the middle of the gzip stream: that is the bound, not damage.
      if (this.#seen > 0) throw new Spent();
      throw new Unlisted("It is no gzip file, or a damaged one");
    }
    if (read.done) return false;
    this.#seen += read.value.length;
    const joined = new Uint8Array(this.#held.length + read.value.length);
    joined.set(this.#held);
    joined.set(read.value, this.#held.length);
    this.#held = joined;
    return true;
  }
}

/** Octal, or base 256 for what does not fit; null for more than can be counted. Nothing is less than nothing: a size
 *  below zero would lead back to what was read already. */
function numberOf(field: Uint8Array): number | null {
  const first = field[0] ?? 0;
  if (first & 0x80) {
    // Two's complement: below zero.
    if (first & 0x40) return null;
    let value = first & 0x3f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    return Number.isSafeInteger(value) ? value : null;
  }
  const value = Number.parseInt(ascii(field).replace(/\0.*$/s, "").trim() || "0", 8);
  return Number.isFinite(value) ? Math.max(value, 0) : 0;
}

function nameOf(head: Uint8Array): string {
  const name = text(head.subarray(0, 100));
  const isPosix = ascii(head.subarray(257, 263)) === "ustar\0";
  const prefix = isPosix ? text(head.subarray(345, 500)) : "";
  return prefix ? `${prefix}/${name}` : name;
}

/** `LENGTH key=value\n`, the length counting itself. */
function paxOf(bytes: Uint8Array): { path?: string; size?: number } {
  const found: { path?: string; size?: number } = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    // No length has more digits. Without a length there is no next line either.
    if (space < 0 || space - at > 6) break;
    const length = Number.parseInt(ascii(bytes.subarray(at, space)), 10);
    if (!(length > space - at) || at + length > bytes.length) break;
    const line = text(bytes.subarray(space + 1, at + length - 1));
    const equals = line.indexOf("=");
    const [key, value] = [line.slice(0, equals), line.slice(equals + 1)];
    if (key === "path") found.path = value;
    if (key === "size" && /^\d{1,15}$/.test(value)) found.size = Number(value);
    at += length;
  }
  return found;
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
