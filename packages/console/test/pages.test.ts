import { describe, expect, it } from "vitest";
import {
  changed,
  emptied,
  entryAt,
  follow,
  HELD,
  indexOfKey,
  missing,
  NOTHING,
  type Pages,
  placed,
  touch,
  type Want,
} from "../src/media/pages";
import type { Entry, Listing } from "../src/wire";

/** A folder of `total` files, answered as the daemon does: the cursor is the position. */
function answer({ after, limit }: Want, total: number, from = 0): Listing {
  const start = Number(after ?? from);
  const end = Math.min(total, start + limit);
  const entries = Array.from({ length: end - start }, (_, i) => {
    const key = `f${String(start + i).padStart(7, "0")}`;
    return { key, name: key, kind: "file", grantId: `g${start + i}` } as Entry;
  });
  return { prefix: "", entries, next: end < total ? String(end) : null };
}

function readAll(total: number): Pages {
  let pages = NOTHING;
  let want: Want | null = { at: 0, after: null, limit: 200 };
  for (let used = 1; want; used += 1) {
    pages = placed(pages, want, answer(want, total), used);
    want = follow(pages);
  }
  return pages;
}

const held = (pages: Pages): number =>
  pages.pages.reduce((sum, page) => sum + (page.entries?.length ?? 0), 0);

describe("a folder as pages", () => {
  it("holds a bounded part of 100,000 entries, and knows where all of them are", () => {
    const pages = readAll(100_000);
    expect(pages.count).toBe(100_000);
    expect(pages.next).toBeNull();
    expect(held(pages)).toBeLessThanOrEqual(HELD * 500);
    expect(entryAt(pages, 99_999)?.key).toBe("f0099999");
    expect(entryAt(pages, 100_000)).toBeNull();
    expect(entryAt(pages, 0)).toBeNull();
  });

  it("asks again for what was let go, and lets go of what was looked at longest ago", () => {
    let pages = readAll(100_000);
    touch(pages, 99_000, 100_000, 1_000);
    for (const [i, index] of [0, 50_000, 50_699, 20_000].entries()) {
      const want = missing(pages, index, index + 30);
      if (!want) {
        expect(entryAt(pages, index)).not.toBeNull();
        continue;
      }
      pages = placed(pages, want, answer(want, 100_000), 2_000 + i);
      expect(entryAt(pages, index)?.key).toBe(`f${String(index).padStart(7, "0")}`);
      expect(held(pages)).toBeLessThanOrEqual(HELD * 500);
      expect(pages.count).toBe(100_000);
    }
    // Looked at all along.
    expect(entryAt(pages, 99_500)).not.toBeNull();
    expect(missing(pages, 99_200, 99_900)).toBeNull();
  });

  it("drops what follows a page that no longer ends where it did", () => {
    const pages = emptied(readAll(2_000));
    expect(pages.count).toBe(2_000);
    const want = missing(pages, 0, 20);
    expect(want).toEqual({ at: 0, after: null, limit: 200 });
    if (!want) return;
    const shifted = answer(want, 2_000);
    shifted.entries = [{ key: "a-new" } as Entry, ...shifted.entries.slice(0, -1)];
    shifted.next = "199";
    const now = placed(pages, want, shifted, 9);
    expect(now.count).toBe(200);
    expect(follow(now)).toEqual({ at: 1, after: "199", limit: 500 });
  });

  it("passes over stretches without a match", () => {
    const want = { at: 0, after: null, limit: 200 };
    const nothing = placed(NOTHING, want, { prefix: "", entries: [], next: "x" }, 1);
    expect(nothing.count).toBe(0);
    expect(follow(nothing)).toEqual({ at: 0, after: "x", limit: 200 });
  });

  it("finds and changes what it holds", () => {
    const pages = readAll(900);
    expect(indexOfKey(pages, "f0000650")).toBe(650);
    expect(indexOfKey(pages, "f9")).toBe(-1);
    const now = changed(pages, (entry) => entry.grantId === "g650", { grantId: null });
    expect(entryAt(now, 650)?.grantId).toBeNull();
    expect(changed(now, (entry) => entry.grantId === "g650", {})).toBe(now);
  });
});
