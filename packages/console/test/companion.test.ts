import { describe, expect, it } from "vitest";
import { modeWords, scopeWords, whereWords } from "../src/companion/words";

describe("pairings in words", () => {
  it("say what may be used", () => {
    expect(scopeWords([])).toBe("no folders");
    const scopes = [
      { folder: "Notes", rights: ["read", "write"] },
      { folder: "Films", rights: ["read"] },
    ];
    expect(scopeWords(scopes)).toBe("Notes (read, write), Films (read)");
  });

  it("say who may ask, and where the person answers", () => {
    expect(modeWords("ask")).toBe("Any page may ask.");
    expect(modeWords("window")).toContain("doorward pair allow");
    expect(modeWords("off")).toBe("No page may ask.");
    expect(whereWords("dialog")).toContain("in the window on this computer");
    expect(whereWords("terminal")).toContain("terminal");
    expect(whereWords("command")).toContain("doorward pair approve");
  });
});
