import { describe, expect, it, vi } from "vitest";

vi.stubGlobal("sessionStorage", {});
const { viewOf } = await import("../src/media/byname");

describe("a file that no listing described", () => {
  it.each([
    ["video/mp4", "a", "video"],
    ["image/png", "a", "image"],
    ["image/svg+xml", "a.svg", "other"],
    ["text/plain", "a.html", "text"],
    ["application/pdf", "a", "pdf"],
    ["application/octet-stream", "a.tar.gz", "archive"],
    ["application/zip", "a", "archive"],
    ["", "a", "other"],
  ])("of type %s called %s is shown as %s", (type, name, view) => expect(viewOf(type, name)).toBe(view));
});
