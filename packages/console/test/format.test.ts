import { describe, expect, it } from "vitest";
import { bytes, count, day, playTime, rate, span, suffix } from "../src/format";
import { fitScale, zoomed } from "../src/preview/zoom";

describe("numbers as people read them", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1 KB"],
    [1_234, "1.23 KB"],
    [12_345, "12.3 KB"],
    [999_499, "999 KB"],
    [999_999, "1 MB"],
    [1_900_000_000, "1.9 GB"],
    [Number.MAX_SAFE_INTEGER, "9.01 PB"],
  ])("%i bytes", (n, text) => expect(bytes(n)).toBe(text));

  it("shows a dash for what is not known", () => {
    expect(bytes(null)).toBe("–");
    expect(bytes(-1)).toBe("–");
    expect(playTime(Number.POSITIVE_INFINITY)).toBe("–");
    expect(day("never", new Date())).toBe("–");
  });

  it("speaks of rates, spans and times", () => {
    expect(rate(31_000_000.4)).toBe("31 MB/s");
    expect(span(-5)).toBe("0 s");
    expect(span(59_400)).toBe("59 s");
    expect(span(11 * 3_600_000 + 42 * 60_000)).toBe("11 h 42 min");
    expect(playTime(2_530)).toBe("42:10");
    expect(playTime(3_723)).toBe("1:02:03");
    expect(count(1, "surface")).toBe("1 surface");
    expect(count(1_200, "entry", "entries")).toBe("1,200 entries");
  });

  it("takes a short suffix for a tag", () => {
    expect(suffix("a.tar.gz")).toBe("GZ");
    expect(suffix(".profile")).toBe("");
    expect(suffix("name.something")).toBe("");
  });
});

describe("zoom", () => {
  it("fits without blowing up", () => {
    expect(fitScale(2_000, 1_000, 1_000, 1_000)).toBe(0.5);
    expect(fitScale(10, 10, 1_000, 1_000)).toBe(1);
    expect(fitScale(0, 0, 10, 10)).toBe(1);
  });

  it("stops once at 100 % on the way past it", () => {
    expect(zoomed("fit", 0.9, 1)).toBe(1);
    expect(zoomed(1, 0.9, 1)).toBe(1.25);
    expect(zoomed(1.1, 0.9, -1)).toBe(1);
    expect(zoomed(16, 0.9, 1)).toBe(16);
  });
});
