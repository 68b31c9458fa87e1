import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { MOST_BYTES, MOST_ENTRIES, type Ranges, readArchive, Unlisted } from "../src/archive/read";
import { treeOf } from "../src/archive/tree";
import { hexLines } from "../src/preview/hex";

interface Meter {
  reads: number;
  bytes: number;
}

function file(bytes: Uint8Array, meter: Meter = { reads: 0, bytes: 0 }): Ranges {
  return {
    size: bytes.length,
    read: async (from, length) => {
      const part = bytes.subarray(from, from + length);
      meter.reads += 1;
      meter.bytes += part.length;
      return part;
    },
    stream: async (most) =>
      new ReadableStream({
        start(controller) {
          for (let at = 0; at < Math.min(most, bytes.length); at += 1000) {
            controller.enqueue(bytes.slice(at, Math.min(at + 1000, most, bytes.length)));
          }
          controller.close();
        },
      }),
  };
}

const utf8 = (text: string): Buffer => Buffer.from(text);

interface ZipFile {
  name: Buffer;
  size?: number;
  flags?: number;
  long?: bigint;
}

/** A zip of stored, empty-bodied entries: only its table of contents is real. */
function zip(files: ZipFile[], { comment = "", before = Buffer.alloc(0), big = false } = {}): Buffer {
  const body = Buffer.concat([before, Buffer.from("PK\x03\x04 what lies before the table")]);
  const entries = files.map(({ name, size = 0, flags = 0, long }) => {
    const extra = Buffer.alloc(long === undefined ? 0 : 12);
    if (long !== undefined) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(8, 2);
      extra.writeBigUInt64LE(long, 4);
    }
    const head = Buffer.alloc(46);
    head.writeUInt32LE(0x02014b50, 0);
    head.writeUInt16LE(flags, 8);
    head.writeUInt32LE(long === undefined ? size : 0xffffffff, 24);
    head.writeUInt16LE(name.length, 28);
    head.writeUInt16LE(extra.length, 30);
    return Buffer.concat([head, name, extra]);
  });
  const directory = Buffer.concat(entries);
  const at = body.length - before.length;
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(big ? 0xffff : files.length, 10);
  end.writeUInt32LE(big ? 0xffffffff : directory.length, 12);
  end.writeUInt32LE(big ? 0xffffffff : at, 16);
  end.writeUInt16LE(comment.length, 20);
  const end64 = Buffer.alloc(big ? 76 : 0);
  if (big) {
    end64.writeUInt32LE(0x06064b50, 0);
    end64.writeBigUInt64LE(BigInt(files.length), 32);
    end64.writeBigUInt64LE(BigInt(directory.length), 40);
    end64.writeBigUInt64LE(BigInt(at), 48);
    end64.writeUInt32LE(0x07064b50, 56);
    end64.writeBigUInt64LE(BigInt(body.length + directory.length), 64);
  }
  return Buffer.concat([body, directory, end64, end, utf8(comment)]);
}

/** What tar itself makes of a few files. */
function realTar(flags: string[]): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "dw-tar-"));
  const long = `deep/${"a-long-name-".repeat(12)}.txt`;
  execFileSync(
    "sh",
    [
      "-c",
      `mkdir -p deep && printf hello > '${long}' && head -c 200000 /dev/zero > big.bin && printf x > é.txt && ln -s big.bin link`,
    ],
    { cwd: folder },
  );
  execFileSync("tar", [...flags, "-cf", "../out.tar", "big.bin", "deep", "é.txt", "link"], { cwd: folder });
  const bytes = new Uint8Array(readFileSync(join(folder, "../out.tar")));
  rmSync(folder, { recursive: true });
  rmSync(join(folder, "../out.tar"));
  return bytes;
}

describe("a zip's table of contents", () => {
  it("is read in two ranges after the first look, whatever the archive's size", async () => {
    const body = Buffer.alloc(5_000_000);
    body.write("PK\x03\x04");
    const meter = { reads: 0, bytes: 0 };
    const bytes = zip(
      [{ name: utf8("a/b.txt"), size: 12 }, { name: utf8("a/") }, { name: utf8("ü.txt"), flags: 1 }],
      { before: body },
    );
    const { entries, cut, kind } = await readArchive(file(bytes, meter));
    expect(kind).toBe("zip");
    expect(cut).toBeNull();
    expect(entries).toEqual([
      { path: "a/b.txt", size: 12, folder: false, locked: false },
      { path: "a/", size: 0, folder: true, locked: false },
      { path: "ü.txt", size: 0, folder: false, locked: true },
    ]);
    expect(meter.reads).toBe(3);
    expect(meter.bytes).toBeLessThan(70_000);
  });

  it("is found behind a comment, also one that looks like the record", async () => {
    const { entries } = await readArchive(
      file(zip([{ name: utf8("x") }], { comment: `PK\x05\x06${"y".repeat(300)}` })),
    );
    expect(entries.map((entry) => entry.path)).toEqual(["x"]);
  });

  it("is read in its 64 bit form", async () => {
    const files = [{ name: utf8("film.mkv"), long: 6_000_000_000n }];
    const { entries } = await readArchive(file(zip(files, { big: true })));
    expect(entries).toEqual([{ path: "film.mkv", size: 6_000_000_000, folder: false, locked: false }]);
  });

  it("may have names in the old code page", async () => {
    const { entries } = await readArchive(file(zip([{ name: Buffer.from([0x81, 0x2e, 0x74]) }])));
    expect(entries[0]?.path).toBe("ü.t");
  });

  it("is bounded", async () => {
    const files = Array.from({ length: MOST_ENTRIES + 5 }, (_, i) => ({ name: utf8(`f${i}`) }));
    const { entries, cut } = await readArchive(file(zip(files)));
    expect(entries.length).toBe(MOST_ENTRIES);
    expect(cut).toContain("10,000 of 10,005");
  });

  it("never reads more than its bound, whatever the file claims", async () => {
    const bytes = zip([{ name: utf8("a") }]);
    const asked: number[] = [];
    const huge: Ranges = {
      ...file(bytes),
      size: 50_000_000_000,
      read: async (from, length) => {
        asked.push(length);
        const at = from - (50_000_000_000 - bytes.length);
        if (from < 512) return bytes.subarray(0, length);
        const tail = Buffer.from(bytes);
        tail.writeUInt32LE(0x7fffffff, tail.length - 10);
        return at < -70_000 ? new Uint8Array(8) : new Uint8Array(Buffer.concat([Buffer.alloc(-at), tail]));
      },
    };
    await readArchive(huge).catch(() => {});
    expect(Math.max(...asked)).toBeLessThanOrEqual(MOST_BYTES);
  });

  it("says what is wrong with a broken one", async () => {
    const bytes = zip([{ name: utf8("a") }]);
    await expect(readArchive(file(bytes.subarray(0, bytes.length - 30)))).rejects.toThrow(Unlisted);
    const lying = Buffer.from(bytes);
    lying.writeUInt32LE(0x0fffffff, lying.length - 10);
    await expect(readArchive(file(lying))).rejects.toThrow(Unlisted);
  });

  it("never fails otherwise on damaged bytes", async () => {
    const good = zip(
      [
        { name: utf8("a/b.txt"), size: 12 },
        { name: utf8("film.mkv"), long: 6_000_000_000n },
      ],
      { big: true },
    );
    for (let i = 0; i < good.length; i += 1) {
      const bytes = Buffer.from(good);
      bytes[i] = 0xff - (bytes[i] ?? 0);
      await readArchive(file(bytes)).catch((cause) => expect(cause).toBeInstanceOf(Unlisted));
    }
  });
});

describe("a tar", () => {
  it.each([
    ["gnu", ["--format=gnu"]],
    ["posix", ["--format=posix"]],
    ["ustar", ["--format=ustar"]],
  ] as const)("of format %s is listed over its contents", async (_, flags) => {
    const meter = { reads: 0, bytes: 0 };
    const bytes = realTar([...flags].map((flag) => (flag === "--format=ustar" ? "--format=pax" : flag)));
    const { entries, cut, kind } = await readArchive(file(bytes, meter));
    expect(kind).toBe("tar");
    expect(cut).toBeNull();
    expect(entries.map(({ path, size }) => [path, size])).toEqual([
      ["big.bin", 200_000],
      ["deep/", 0],
      [`deep/${"a-long-name-".repeat(12)}.txt`, 5],
      ["é.txt", 1],
      ["link", 0],
    ]);
    expect(meter.bytes).toBeLessThan(bytes.length);
    const zipped = await readArchive(file(gzipSync(bytes)));
    expect(zipped).toEqual({ kind: "tar.gz", entries, cut: null });
  });

  it("stops after so many ranges and says so", async () => {
    const head = realTar(["--format=gnu"]).subarray(0, 512);
    const endless: Ranges = { ...file(head), size: null, read: async () => head };
    const { cut, entries } = await readArchive(endless);
    expect(entries.length).toBe(128);
    expect(cut).toBe("The first 128 entries");
  });

  it("that is gzipped is followed as far as its bound goes", async () => {
    const bytes = realTar(["--format=gnu"]);
    const zipped = gzipSync(
      Buffer.concat([
        bytes.subarray(0, 512 + 200_192),
        ...Array.from({ length: 400 }, () => bytes.subarray(0, 512 + 200_192)),
      ]),
    );
    const { cut, entries } = await readArchive(file(zipped));
    expect(cut).toMatch(/^The first \d+ entries$/);
    expect(entries.length).toBeGreaterThan(300);
  }, 60_000);

  it.each(["-0000000777", "-7777777777"])("never goes backwards for an entry of size %s", async (size) => {
    const head = Buffer.from(realTar(["--format=gnu"]).subarray(0, 512));
    head.write(size, 124, "latin1");
    const after = Buffer.concat([head, Buffer.alloc(1024)]);
    for (const bytes of [after, gzipSync(after)]) {
      const { entries } = await readArchive(file(bytes));
      expect(entries.map((one) => one.size)).toEqual([0]);
    }
  });

  it("keeps what was read before an impossible size", async () => {
    const head = realTar(["--format=gnu"]).subarray(0, 512);
    const small = Buffer.from(head);
    small.write("00000000000\0", 124, "latin1");
    const huge = Buffer.from(head);
    huge.fill(0xff, 124, 136);
    huge.writeUInt8(0xbf, 124);
    const { entries, cut } = await readArchive(file(Buffer.concat([small, huge])));
    expect(entries.length).toBe(1);
    expect(cut).toBe("The archive is damaged after these");
  });

  it("is not what a gzipped text is", async () => {
    await expect(readArchive(file(gzipSync("just a text")))).rejects.toThrow("one compressed file");
    await expect(readArchive(file(Buffer.from([0x1f, 0x8b, 1, 2, 3])))).rejects.toThrow(Unlisted);
    await expect(readArchive(file(Buffer.from("7z\xbc\xaf")))).rejects.toThrow("Only zip, tar");
  });
});

describe("the tree", () => {
  it("puts paths together, with what lies below", () => {
    const packed = (path: string, size = 1) => ({ path, size, folder: path.endsWith("/"), locked: false });
    const root = treeOf([
      packed("b.txt", 5),
      packed("a/x.txt", 2),
      packed("a/"),
      packed("a/b/y.txt", 3),
      packed("../../etc/passwd"),
      packed("a10"),
      packed("a9"),
    ]);
    expect(root.count).toBe(6);
    expect(root.folders.map((one) => one.name)).toEqual(["..", "a"]);
    expect(root.files.map((one) => one.name)).toEqual(["a9", "a10", "b.txt"]);
    expect(root.folders[1]).toMatchObject({ count: 2, size: 5 });
  });

  it("shows no name that would rearrange the text around it", () => {
    const root = treeOf([{ path: "photo\u202egnp.exe\n", size: 0, folder: false, locked: false }]);
    expect(root.files[0]?.name).toBe("photo�gnp.exe�");
  });

  it("of long names takes no more memory than the names", () => {
    // Keys made of whole paths took 33 times the name: 2 GB for what a small tar.gz unpacks to.
    const packed = Array.from({ length: 1_000 }, (_, i) => ({
      path: `${String(i).padStart(4, "0")}${"x".repeat(60_000)}/${"y/".repeat(31)}z`,
      size: 0,
      folder: false,
      locked: false,
    }));
    const before = process.memoryUsage().heapUsed;
    const root = treeOf(packed);
    expect(root.folders.length).toBe(1_000);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(600 * 1024 * 1024);
  });

  it("does not grow deeper than people look", () => {
    const root = treeOf([{ path: "a/".repeat(5_000), size: 0, folder: true, locked: false }]);
    let deep = 0;
    for (let at = root.folders[0]; at; at = at.folders[0]) deep += 1;
    expect(deep).toBe(33);
  });
});

describe("bytes as lines", () => {
  it("shows offset, pairs and letters", () => {
    const lines = hexLines(utf8("Hello, world!\n\0\xff...."), 0x1000).split("\n");
    expect(lines[0]).toBe("00001000  48 65 6c 6c 6f 2c 20 77  6f 72 6c 64 21 0a 00 c3  Hello, world!···");
    expect(lines[1]?.startsWith("00001010  bf 2e 2e 2e 2e")).toBe(true);
    expect(hexLines(new Uint8Array(), 0)).toBe("");
  });
});
