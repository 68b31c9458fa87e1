import { describe, expect, it } from "vitest";
import { move } from "../src/media/moves";
import { NOTHING, neighbour, placed } from "../src/media/pages";
import { columnsFor, faster, nudge, TALLEST, windowOf } from "../src/media/window";
import type { Entry } from "../src/wire";

describe("moving the selection", () => {
  // 0 1 2 / 3 4 5 / 6
  const grid = { count: 7, columns: 3, pageRows: 2 };
  const cases: [string, number, number | null][] = [
    ["ArrowRight", -1, 0],
    ["ArrowDown", -1, 0],
    ["ArrowRight", 2, 3],
    ["ArrowRight", 6, 6],
    ["ArrowLeft", 0, 0],
    ["ArrowLeft", 3, 2],
    ["ArrowDown", 1, 4],
    ["ArrowDown", 4, 6],
    ["ArrowDown", 6, 6],
    ["ArrowUp", 1, 1],
    ["ArrowUp", 6, 3],
    ["PageDown", 0, 6],
    ["PageDown", 1, 6],
    ["PageUp", 4, 1],
    ["Home", 5, 0],
    ["End", 0, 6],
    ["x", 3, null],
  ];
  it.each(cases)("%s at %i goes to %s", (key, at, to) => expect(move(key, at, grid)).toBe(to));

  it("selects nothing in an empty folder", () => {
    expect(move("ArrowDown", -1, { ...grid, count: 0 })).toBe(-1);
    expect(move("End", -1, { ...grid, count: 0 })).toBe(-1);
  });

  it("moves by rows in a list", () => {
    expect(move("ArrowDown", 3, { count: 9, columns: 1, pageRows: 5 })).toBe(4);
    expect(move("PageDown", 6, { count: 9, columns: 1, pageRows: 5 })).toBe(8);
  });
});

describe("the drawn window", () => {
  const shape = { count: 1_000_000, columns: 5, rowHeight: 200 };

  it("draws a screenful of 300,000 entries, wherever it is", () => {
    const many = { ...shape, count: 300_000 };
    for (const top of [-50, 0, 5_000, 7_000_000, 11_999_000]) {
      const { first, end, before, after } = windowOf(many, top, 800);
      expect(end - first).toBeLessThanOrEqual(12 * 5);
      expect(before + after + ((end - first) / 5) * 200).toBe(60_000 * 200);
      expect(first % 5).toBe(0);
    }
  });

  it("reaches the end of a million entries although no browser draws that many pixels", () => {
    for (const top of [-50, 0, 5_000, 9_000_000, TALLEST - 800]) {
      const { first, end, before, after } = windowOf(shape, top, 800);
      expect(end - first).toBeLessThanOrEqual(12 * 5);
      expect(before + after + ((end - first) / 5) * 200).toBeCloseTo(TALLEST, 3);
      expect(first % 5).toBe(0);
      // What is drawn covers the view.
      expect(before).toBeLessThanOrEqual(Math.max(0, top));
      expect(before + ((end - first) / 5) * 200).toBeGreaterThanOrEqual(top + 800 - 1);
    }
    expect(windowOf(shape, TALLEST - 800, 800).end).toBe(1_000_000);
    const by = nudge(999_999, shape, 0, 800);
    expect(by * faster(shape, 800)).toBeCloseTo(200_000 * 200 - 800, 3);
  });

  it("covers the view with a margin", () => {
    const { first, end } = windowOf({ ...shape, count: 9_000 }, 2_000, 800);
    expect(first).toBeLessThanOrEqual(10 * 5 - 5);
    expect(end).toBeGreaterThanOrEqual(14 * 5 + 5);
  });

  it("handles few entries and none", () => {
    expect(windowOf({ ...shape, count: 3 }, 0, 800)).toEqual({ first: 0, end: 3, before: 0, after: 0 });
    expect(windowOf({ ...shape, count: 0 }, 0, 800)).toEqual({ first: 0, end: 0, before: 0, after: 0 });
  });

  it("nudges just as far as a row needs", () => {
    const few = { ...shape, count: 9_000 };
    expect(nudge(0, few, 100, 800)).toBe(-100);
    expect(nudge(10, few, 0, 800)).toBe(0);
    expect(nudge(20, few, 0, 800)).toBe(200);
  });

  it("fits columns into a width", () => {
    expect(columnsFor(640, 168, 14)).toBe(3);
    expect(columnsFor(100, 168, 14)).toBe(1);
  });
});

describe("neighbours in the preview", () => {
  const entry = (key: string, kind: Entry["kind"]): Entry => ({ key, kind }) as Entry;
  const list = [entry("a/", "folder"), entry("b", "file"), entry("c/", "folder"), entry("d", "file")];
  const entries = placed(
    NOTHING,
    { at: 0, after: null, limit: 200 },
    { prefix: "", entries: list, next: null },
    1,
  );

  it("steps over folders and stops at the ends", () => {
    expect(neighbour(entries, "b", 1)?.key).toBe("d");
    expect(neighbour(entries, "d", -1)?.key).toBe("b");
    expect(neighbour(entries, "b", -1)).toBeNull();
    expect(neighbour(entries, "d", 1)).toBeNull();
    expect(neighbour(entries, "gone", 1)).toBeNull();
  });
});
