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
    expect(modeWords("ask", "command")).toBe("Any page may ask.");
    expect(modeWords("window", "dialog")).toContain("doorward pair allow");
    expect(modeWords("off", "dialog")).toBe("No page may ask.");
    expect(modeWords("ask", "none")).toContain("No page may ask");
    for (const face of ["dialog", "window"]) {
      expect(whereWords(face)).toContain("in the window on this computer");
    }
    expect(whereWords("terminal")).toContain("terminal");
    expect(whereWords("command")).toContain("doorward pair approve");
  });
});
