// Archives that were made to harm whoever looks into them: to spend memory, time or requests, to show what is not there,
// or to hide what is.

import { constants, crc32, deflateRawSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { MOST_BYTES, MOST_ENTRIES, type Ranges, readArchive, Unlisted } from "../src/archive/read";
import { treeOf } from "../src/archive/tree";

interface Meter {
  reads: number;
  bytes: number;
}

const MOST_TAIL = 22 + 0xffff;

/** A file of any size; all of it is zero but for what is put into it. */
function sparse(size: number | null, parts: [at: number, bytes: Uint8Array][], meter?: Meter): Ranges {
  const end = size ?? Number.MAX_SAFE_INTEGER;
  return {
    size,
    read: async (from, length) => {
      expect(Number.isSafeInteger(from) && from >= 0, `a range from ${from}`).toBe(true);
      expect(length).toBeLessThanOrEqual(MOST_BYTES);
      const whole = new Uint8Array(Math.max(0, Math.min(length, end - from)));
      for (const [at, bytes] of parts) {
        for (let i = 0; i < bytes.length; i += 1) {
          const place = at + i - from;
          if (place >= 0 && place < whole.length) whole[place] = bytes[i] ?? 0;
        }
      }
      if (meter) {
        meter.reads += 1;
        meter.bytes += whole.length;
      }
      return whole;
    },
    stream: async () => new ReadableStream({ start: (controller) => controller.close() }),
  };
}

const file = (bytes: Uint8Array, meter?: Meter): Ranges => ({
  ...sparse(bytes.length, [[0, bytes]], meter),
  stream: async (most) =>
    new ReadableStream({
      start(controller) {
        controller.enqueue(bytes.slice(0, most));
        controller.close();
      },
    }),
});

const START = Buffer.from("PK\x03\x04");

interface Row {
  name: Buffer | string;
  size?: number;
  extra?: Buffer;
}

function row({ name, size = 0, extra = Buffer.alloc(0) }: Row): Buffer {
  const bytes = Buffer.from(name as string);
  const head = Buffer.alloc(46);
  head.writeUInt32LE(0x02014b50, 0);
  head.writeUInt32LE(size, 24);
  head.writeUInt16LE(bytes.length, 28);
  head.writeUInt16LE(extra.length, 30);
  return Buffer.concat([head, bytes, extra]);
}

function end(entries: number, length: number, offset: number): Buffer {
  const record = Buffer.alloc(22);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(entries, 10);
  record.writeUInt32LE(length, 12);
  record.writeUInt32LE(offset, 16);
  return record;
}

function end64(at: bigint, entries: bigint, length: bigint, offset: bigint): Buffer {
  const record = Buffer.alloc(76);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(entries, 32);
  record.writeBigUInt64LE(length, 40);
  record.writeBigUInt64LE(offset, 48);
  record.writeUInt32LE(0x07064b50, 56);
  record.writeBigUInt64LE(at, 64);
  return Buffer.concat([record, end(0xffff, 0xffffffff, 0xffffffff)]);
}

function zipOf(rows: Row[]): Buffer {
  const directory = Buffer.concat(rows.map(row));
  return Buffer.concat([START, directory, end(rows.length, directory.length, START.length)]);
}

/** Info-ZIP's name in UTF-8, which holds only for the name that it was made for. */
function unicodePath(path: string, of: string): Buffer {
  const text = Buffer.from(path);
  const head = Buffer.alloc(9);
  head.writeUInt16LE(0x7075, 0);
  head.writeUInt16LE(5 + text.length, 2);
  head.writeUInt8(1, 4);
  head.writeUInt32LE(crc32(of), 5);
  return Buffer.concat([head, text]);
}

interface Head {
  name?: string;
  size?: number | Buffer;
  type?: string;
}

function tarHead({ name = "a", size = 0, type = "0" }: Head): Buffer {
  const head = Buffer.alloc(512);
  head.write(name, 0);
  if (Buffer.isBuffer(size)) size.copy(head, 124);
  else head.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  head.write(type, 156);
  head.write("ustar\x0000", 257);
  return head;
}

/** A header that speaks of the next one. */
function tarNote(type: string, text: string): Buffer {
  const body = Buffer.alloc(Math.ceil(text.length / 512) * 512);
  body.write(text);
  return Buffer.concat([tarHead({ name: "note", size: text.length, type }), body]);
}

const pax = (key: string, value: string): string => {
  const rest = ` ${key}=${value}\n`.length;
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
};

const TAR_END = Buffer.alloc(1024);

describe("a hostile zip", () => {
  const NUMBERS = [
    0n,
    1n,
    0x7fffffffn,
    0xffffffffn,
    2n ** 52n,
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 63n,
    2n ** 64n - 1n,
  ];

  it("that claims impossible counts, lengths and offsets is read within bounds, or refused", async () => {
    for (const entries of NUMBERS) {
      for (const length of NUMBERS) {
        for (const offset of NUMBERS) {
          const directory = row({ name: "a" });
          const at = START.length + directory.length;
          const bytes = Buffer.concat([START, directory, end64(BigInt(at), entries, length, offset)]);
          const meter = { reads: 0, bytes: 0 };
          const told = await readArchive(file(bytes, meter)).catch((cause: unknown) => cause);
          if (told instanceof Error) expect(told).toBeInstanceOf(Unlisted);
          else expect((told as { entries: unknown[] }).entries.length).toBeLessThanOrEqual(1);
          expect(meter.reads).toBeLessThanOrEqual(4);
        }
      }
    }
  });

  it("whose long record lies beyond its end, in itself or at no place at all is refused", async () => {
    for (const at of [...NUMBERS, 4n, 100n, 1000n]) {
      const bytes = Buffer.concat([START, end64(at, 1n, 46n, 4n)]);
      const told = await readArchive(file(bytes)).catch((cause: unknown) => cause);
      // Its true place: the directory that it names does not fit before it.
      expect(told, String(at)).toBeInstanceOf(Unlisted);
    }
  });

  it("whose table of contents is its own end ends", async () => {
    const record = end(0xffff, 22, 4);
    const { entries, cut } = await readArchive(file(Buffer.concat([START, Buffer.alloc(22), record])));
    expect(entries).toEqual([]);
    expect(cut).toContain("damaged");
    await expect(readArchive(file(Buffer.concat([START, end(1, 26, 0)])))).rejects.toThrow(Unlisted);
  });

  it("of entries that name the same bytes a million times is told, not unpacked", async () => {
    const rows = Array.from({ length: MOST_ENTRIES }, () => row({ name: "x", size: 0xfffffffe }));
    const directory = Buffer.concat(rows);
    const bytes = Buffer.concat([START, directory, end(0xffff, directory.length, 4)]);
    const meter = { reads: 0, bytes: 0 };
    const contents = await readArchive(file(bytes, meter));
    expect(contents.entries.length).toBe(MOST_ENTRIES);
    expect(meter.reads).toBe(3);
    expect(meter.bytes).toBeLessThan(bytes.length + MOST_TAIL + 512);
    expect(treeOf(contents.entries).size).toBe(MOST_ENTRIES * 0xfffffffe);
  });

  it("of terabytes is read by its end alone", async () => {
    const size = 2 ** 52;
    const directory = row({ name: "a" });
    const at = size - directory.length - 98;
    const tail = Buffer.concat([
      directory,
      end64(BigInt(at + directory.length), 1n, BigInt(directory.length), BigInt(at)),
    ]);
    const meter = { reads: 0, bytes: 0 };
    const { entries } = await readArchive(
      sparse(
        size,
        [
          [0, START],
          [at, tail],
        ],
        meter,
      ),
    );
    expect(entries.map((one) => one.path)).toEqual(["a"]);
    expect(meter.bytes).toBeLessThan(512 + MOST_TAIL + 1024);
  });

  it("shows the name that programs unpack, not another that is put beside it", async () => {
    const { entries } = await readArchive(
      file(
        zipOf([
          { name: "evil.exe", extra: unicodePath("holiday.jpg", "another name") },
          { name: "h?.txt", extra: unicodePath("hé.txt", "h?.txt") },
        ]),
      ),
    );
    expect(entries.map((one) => one.path)).toEqual(["evil.exe", "hé.txt"]);
  });

  it("whose extra fields claim more than there is loses them alone", async () => {
    const extra = Buffer.from([1, 0, 0xff, 0xff, 1, 2, 3, 4]);
    const { entries } = await readArchive(
      file(zipOf([{ name: "a", extra, size: 0xffffffff }, { name: "b" }])),
    );
    expect(entries.map((one) => one.path)).toEqual(["a", "b"]);
  });
});

describe("a hostile tar", () => {
  const list = (...parts: Buffer[]): ReturnType<typeof readArchive> =>
    readArchive(file(Buffer.concat(parts)));

  it("whose last file reaches beyond the end is called cut off", async () => {
    for (const size of [
      10_000,
      0o77777777777,
      Buffer.from([0x80, 0, 0, 0, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    ]) {
      const plain = Buffer.concat([tarHead({ size }), Buffer.alloc(600)]);
      for (const bytes of [plain, gzipSync(plain)]) {
        const { entries, cut } = await readArchive(file(bytes));
        expect(entries.length).toBe(1);
        expect(cut).toBe("The archive is cut off after these");
      }
    }
  });

  it("of sizes near 2^53, of a length that nobody knows, asks for no place that cannot be counted", async () => {
    const huge = Buffer.from([0x80, 0, 0, 0, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    const head = tarHead({ size: huge });
    let reads = 0;
    const endless: Ranges = {
      ...sparse(null, []),
      read: async (from) => {
        reads += 1;
        expect(Number.isSafeInteger(from), `a range from ${from}`).toBe(true);
        return head;
      },
    };
    const { cut } = await readArchive(endless);
    expect(cut).not.toBeNull();
    expect(reads).toBeLessThanOrEqual(4);
  });

  it("with sizes below zero in base 256 is damaged, not small", async () => {
    for (const first of [0xc0, 0xff, 0xfe]) {
      const size = Buffer.alloc(12);
      size[0] = first;
      size[11] = 5;
      const { entries, cut } = await list(tarHead({ size }), TAR_END);
      expect(entries).toEqual([]);
      expect(cut).toBe("The archive is damaged after these");
    }
  });

  it("cannot hide files by a size that is meant for the next one", async () => {
    // The note says a size; the long name between it and its file has its own.
    const parts = [
      tarNote("x", pax("size", "1024")),
      tarNote("L", "a-long-name"),
      tarHead({ name: "short", size: 0 }),
      Buffer.alloc(1024),
      tarHead({ name: "seen" }),
      TAR_END,
    ];
    const { entries, cut } = await list(...parts);
    expect(entries.map(({ path, size }) => [path, size])).toEqual([
      ["a-long-name", 1024],
      ["seen", 0],
    ]);
    expect(cut).toBeNull();
  });

  it("of notes without an end is left after so many ranges", async () => {
    for (const type of ["L", "x", "g"]) {
      const note = tarNote(type, "11 path=ab\n");
      const piece = Buffer.concat(Array.from({ length: 80 }, () => note));
      let reads = 0;
      const endless: Ranges = {
        ...sparse(null, []),
        read: async (_, length) => {
          reads += 1;
          return piece.subarray(0, Math.min(length, 64 * 1024));
        },
      };
      const { entries, cut } = await readArchive(endless);
      expect(entries).toEqual([]);
      expect(cut).not.toBeNull();
      expect(reads).toBeLessThanOrEqual(130);
    }
  });

  it("with notes of nonsense is read all the same", async () => {
    const nonsense = [
      "",
      " ",
      "=",
      "0 a=b\n",
      "-5 a=b\n",
      "99999 path=x\n",
      "1e3 path=x\n",
      `${" ".repeat(60_000)}x`,
      "7".repeat(60_000),
    ];
    for (const text of nonsense) {
      const { entries } = await list(tarNote("x", text), tarHead({ name: "b" }), TAR_END);
      expect(
        entries.map((one) => one.path),
        JSON.stringify(text.slice(0, 20)),
      ).toEqual(["b"]);
    }
    // Its only space is far away.
    const far = `${"1".repeat(60_000)} path=x\n`;
    const { entries } = await list(tarNote("x", far), tarHead({ name: "b" }), TAR_END);
    expect(entries.map((one) => one.path)).toEqual(["b"]);
  });

  it("that is a bomb in one piece is unpacked a little at a time", async () => {
    // 4 MiB that unpack to more than 4 GiB, as one chunk: what unpacks it must not be given all of it.
    const zeros = deflateRawSync(Buffer.alloc(1 << 20), { finishFlush: constants.Z_FULL_FLUSH });
    const first = deflateRawSync(tarHead({ size: 0o77777777777 }), { finishFlush: constants.Z_FULL_FLUSH });
    const head = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
    const times = Math.ceil((4 << 20) / zeros.length);
    const bomb = Buffer.concat([head, first, ...Array.from({ length: times }, () => zeros)]);
    const given = watchedDecompression();
    try {
      const { entries, cut } = await readArchive(file(bomb));
      expect(entries.length).toBe(1);
      expect(cut).toBe("The first 1 entries");
    } finally {
      given.stop();
    }
    expect(given.largest()).toBeLessThanOrEqual(16 * 1024);
    expect(given.bytes()).toBeLessThan(1 << 20);
  }, 60_000);
});

/** What reaches `DecompressionStream`, by chunk. */
function watchedDecompression(): { largest: () => number; bytes: () => number; stop: () => void } {
  const real = globalThis.DecompressionStream;
  let [largest, bytes] = [0, 0];
  globalThis.DecompressionStream = class {
    readable: ReadableStream;
    writable: WritableStream;
    constructor(format: CompressionFormat) {
      const inner = new real(format);
      const writer = inner.writable.getWriter();
      this.readable = inner.readable;
      this.writable = new WritableStream<Uint8Array>({
        write: (chunk) => {
          largest = Math.max(largest, chunk.length);
          bytes += chunk.length;
          return writer.write(chunk as Uint8Array<ArrayBuffer>);
        },
        close: () => writer.close(),
        abort: (reason) => writer.abort(reason),
      });
    }
  } as unknown as typeof DecompressionStream;
  return {
    largest: () => largest,
    bytes: () => bytes,
    stop: () => {
      globalThis.DecompressionStream = real;
    },
  };
}

describe("hostile names", () => {
  const packed = (path: string): { path: string; size: number; folder: boolean; locked: boolean } => ({
    path,
    size: 1,
    folder: path.endsWith("/"),
    locked: false,
  });

  it("turn, break or hide nothing around them", () => {
    const bad = [
      "\u0000",
      "\u001b",
      "\u007f",
      "\u009f",
      "\u061c",
      "\u200b",
      "\u200e",
      "\u200f",
      "\u2028",
      "\u2029",
    ];
    bad.push(
      "\u202a",
      "\u202e",
      "\u2060",
      "\u2066",
      "\u2069",
      "\ufeff",
      "\ufff9",
      "\u{e0041}",
      "\u{e007f}",
      "\ud800",
    );
    for (const sign of bad) {
      const root = treeOf([packed(`a${sign}b/c${sign}d`)]);
      const name = `U+${sign.codePointAt(0)?.toString(16)}`;
      expect(root.folders[0]?.name, name).toBe("a�b");
      expect(root.folders[0]?.files[0]?.name, name).toBe("c�d");
    }
    // Joiners belong to writing: families, and Persian.
    expect(treeOf([packed("👩‍👧 می‌خواهم")]).files[0]?.name).toBe("👩‍👧 می‌خواهم");
  });

  it("cannot hide a file by being no name", () => {
    const root = treeOf(["", ".", "./", "a/.", "/", "a//", "./."].map(packed));
    expect(root.count).toBe(4);
    expect(root.files.map((one) => one.name)).toEqual([".", ".", "no name"]);
    expect(root.folders.map((one) => one.name)).toEqual(["a"]);
    expect(root.folders[0]?.files.map((one) => one.name)).toEqual(["."]);
  });

  it("that climb, are absolute or of another platform are shown, never followed", () => {
    const root = treeOf(
      ["../../x", "/etc/passwd", "C:\\x", "..\\..\\y", "__proto__/z", "constructor"].map(packed),
    );
    expect(root.count).toBe(6);
    expect(root.folders.map((one) => one.name).sort()).toEqual(["..", "__proto__", "etc"]);
    expect(root.folders.find((one) => one.name === "..")?.folders[0]?.name).toBe("..");
  });
});
