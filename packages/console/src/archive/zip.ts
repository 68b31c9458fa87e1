// A zip's own table of contents: the record at its end, then the central directory that it points to. Two or three
// ranges, however large the archive is.

import { type Contents, MOST_BYTES, MOST_ENTRIES, type Packed, type Ranges, Unlisted } from "./read";

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const ENTRY = 0x02014b50;
/** The record and the longest comment after it. */
const TAIL = 22 + 0xffff;

interface Directory {
  entries: number;
  offset: number;
  length: number;
  /** Where the directory ends at the latest: offsets are from there back when something was put before the archive. */
  end: number;
}

export async function readZip(file: Ranges): Promise<Contents> {
  if (file.size === null) throw new Unlisted("The source does not say how long this archive is");
  const tailAt = Math.max(0, file.size - TAIL);
  const tail = view(await file.read(tailAt, file.size - tailAt));
  const at = endOf(tail);
  if (at < 0) throw new Unlisted("Its table of contents is missing: the archive is cut off or damaged");
  const directory = (await directory64(file, tail, at, tailAt)) ?? {
    entries: tail.getUint16(at + 10, true),
    length: tail.getUint32(at + 12, true),
    offset: tail.getUint32(at + 16, true),
    end: tailAt + at,
  };
  return listed(file, directory);
}

async function listed(file: Ranges, { entries, offset, length, end }: Directory): Promise<Contents> {
  if (length > end) throw new Unlisted("Its table of contents is damaged");
  // A self-extracting archive counts from after its program.
  const from = offset + length <= end ? end - length : -1;
  if (from < 0) throw new Unlisted("Its table of contents is damaged");
  const bytes = await file.read(from, Math.min(length, MOST_BYTES));
  const found = entriesOf(bytes);
  const whole = found.length >= entries && length <= MOST_BYTES;
  const cut = whole
    ? null
    : length > MOST_BYTES || found.length >= MOST_ENTRIES
      ? `The first ${found.length.toLocaleString("en-GB")} of ${entries.toLocaleString("en-GB")} entries`
      : "The rest of its table of contents is damaged";
  return { kind: "zip", entries: found, cut };
}

/** Looked for from the end: a comment may hold what looks like the record. */
function endOf(tail: DataView): number {
  for (let at = tail.byteLength - 22; at >= 0; at -= 1) {
    if (tail.getUint32(at, true) === END && at + 22 + tail.getUint16(at + 20, true) <= tail.byteLength)
      return at;
  }
  return -1;
}

async function directory64(
  file: Ranges,
  tail: DataView,
  end: number,
  tailAt: number,
): Promise<Directory | null> {
  const locator = end - 20;
  if (locator < 0 || tail.getUint32(locator, true) !== LOCATOR64) return null;
  const at = big(tail, locator + 8);
  const record = view(await file.read(at, 56));
  if (record.byteLength < 56 || record.getUint32(0, true) !== END64 || at > tailAt + end) {
    throw new Unlisted("Its table of contents is damaged");
  }
  return { entries: big(record, 32), length: big(record, 40), offset: big(record, 48), end: at };
}

function entriesOf(bytes: Uint8Array): Packed[] {
  const data = view(bytes);
  const found: Packed[] = [];
  let at = 0;
  while (at + 46 <= data.byteLength && data.getUint32(at, true) === ENTRY && found.length < MOST_ENTRIES) {
    const flags = data.getUint16(at + 8, true);
    const [name, extra, comment] = [28, 30, 32].map((o) => data.getUint16(at + o, true)) as [
      number,
      number,
      number,
    ];
    const end = at + 46 + name + extra + comment;
    if (end > data.byteLength) break;
    const raw = bytes.subarray(at + 46, at + 46 + name);
    const extras = extrasOf(data, at + 46 + name, extra, raw);
    const path = extras.path ?? decoded(raw, (flags & 0x800) !== 0);
    const short = data.getUint32(at + 24, true);
    found.push({
      path,
      size: short === 0xffffffff ? (extras.size ?? short) : short,
      folder: path.endsWith("/"),
      locked: (flags & 1) !== 0,
    });
    at = end;
  }
  return found;
}

/** The long size (it comes first when the short one is full) and the name in UTF-8, where they are given. */
function extrasOf(
  data: DataView,
  from: number,
  length: number,
  name: Uint8Array,
): { size?: number; path?: string } {
  const found: { size?: number; path?: string } = {};
  for (let at = from; at + 4 <= from + length; ) {
    const id = data.getUint16(at, true);
    const size = data.getUint16(at + 2, true);
    const start = at + 4;
    if (start + size > from + length) break;
    if (id === 1 && size >= 8) found.size = big(data, start);
    // It holds for one name only: whoever unpacks goes by the other, if it was changed.
    if (
      id === 0x7075 &&
      size > 5 &&
      data.getUint8(start) === 1 &&
      data.getUint32(start + 1, true) === crc32(name)
    ) {
      const path = utf8(new Uint8Array(data.buffer, data.byteOffset + start + 5, size - 5));
      if (path !== null) found.path = path;
    }
    at = start + size;
  }
  return found;
}

/** Most archives without the flag hold UTF-8 all the same; what is not is the old code page. */
function decoded(raw: Uint8Array, told: boolean): string {
  const text = utf8(raw);
  if (text !== null) return text;
  return told
    ? new TextDecoder().decode(raw)
    : Array.from(raw, (b) => (b < 128 ? String.fromCharCode(b) : CP437[b - 128])).join("");
}

function utf8(raw: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(raw);
  } catch {
    return null;
  }
}

const CP437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

function crc32(bytes: Uint8Array): number {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (0xedb88320 & -(sum & 1));
  }
  return ~sum >>> 0;
}

function big(data: DataView, at: number): number {
  const value = Number(data.getBigUint64(at, true));
  if (!Number.isSafeInteger(value)) throw new Unlisted("Its table of contents is damaged");
  return value;
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
