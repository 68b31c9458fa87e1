// What an archive holds, told from as few bytes as possible. Nothing is unpacked, nothing trusted: names are only ever
// shown, and every length that the file claims is held against a bound before it is read.

import { readTar, readTarGz } from "./tar";
import { readZip } from "./zip";

/** A file that is read by ranges. Both may answer fewer bytes than were asked for, at its end only. */
export interface Ranges {
  /** Null while nobody has said it. */
  size: number | null;
  read: (from: number, length: number) => Promise<Uint8Array>;
  /** From its start, as it comes; the reader cancels it. */
  stream: (most: number) => Promise<ReadableStream<Uint8Array>>;
}

export interface Packed {
  /** As written in the archive; a folder's ends in `/`. */
  path: string;
  size: number;
  folder: boolean;
  locked: boolean;
}

export interface Contents {
  kind: "zip" | "tar" | "tar.gz";
  entries: Packed[];
  /** Why the list is not whole; null when it is. */
  cut: string | null;
}

/** What stands in the way of a list, as a sentence without its full stop. */
export class Unlisted extends Error {}

export const MOST_ENTRIES = 10_000;
export const MOST_BYTES = 8 * 1024 * 1024;

export async function readArchive(file: Ranges): Promise<Contents> {
  const head = await file.read(0, 512);
  if (starts(head, [0x50, 0x4b, 3, 4]) || starts(head, [0x50, 0x4b, 5, 6])) return readZip(file);
  if (starts(head, [0x1f, 0x8b])) return readTarGz(file);
  if (isTar(head)) return readTar(file);
  throw new Unlisted("Only zip, tar and tar.gz archives can be looked into");
}

/** `ustar`, or the checksum that older ones have at least. */
export function isTar(head: Uint8Array): boolean {
  if (head.length < 512) return false;
  if (ascii(head.subarray(257, 262)) === "ustar") return true;
  const told = Number.parseInt(
    ascii(head.subarray(148, 156))
      .replace(/[\0 ]+$/, "")
      .trim(),
    8,
  );
  let sum = 8 * 32;
  for (let i = 0; i < 512; i += 1) if (i < 148 || i >= 156) sum += head[i] ?? 0;
  return told === sum && sum > 8 * 32;
}

export const ascii = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

const starts = (bytes: Uint8Array, with_: readonly number[]): boolean =>
  with_.every((b, i) => bytes[i] === b);
