import { describe, expect, it } from "vitest";
import { formatRoute, mediaRoute, parentOf, parseRoute, type Route, steps } from "../src/router";

describe("routes", () => {
  const routes: [string, Route][] = [
    ["#/media", mediaRoute(null)],
    ["#/media/pictures/", mediaRoute("pictures")],
    ["#/media/pictures/a/b/", mediaRoute("pictures", "a/b/")],
    ["#/media/pictures/a/?open=a%2Fx.png", mediaRoute("pictures", "a/", "a/x.png")],
    ["#/media/s%2F3/50%25%20%23%3F/", mediaRoute("s/3", "50% #?/")],
    ["#/media/pictures/h%C3%B6he//", mediaRoute("pictures", "höhe//")],
    ["#/companion", { panel: "companion" }],
    ["#/relay", { panel: "relay" }],
    ["#/operator", { panel: "operator" }],
    ["#/doors", { panel: "doors", surface: null }],
    ["#/doors/console%20API", { panel: "doors", surface: "console API" }],
    ["#/audit", { panel: "audit", kind: "", surface: "" }],
    ["#/audit?kind=grant.minted&surface=api", { panel: "audit", kind: "grant.minted", surface: "api" }],
  ];

  it.each(routes)("%s reads and writes the same", (hash, route) => {
    expect(parseRoute(hash)).toEqual(route);
    expect(formatRoute(route)).toBe(hash);
  });

  it("never fails on nonsense", () => {
    for (const hash of ["", "#", "#/", "#/nowhere/x", "#ticket=abc", "#/%E0%A4%A"]) {
      expect(parseRoute(hash)).toEqual(mediaRoute(null));
    }
    expect(parseRoute("#/media/%E0%A4%A/x")).toEqual(mediaRoute("%E0%A4%A", "x/"));
  });

  it("keeps a key that looks like a query or a path intact", () => {
    const odd = mediaRoute("s", "a/", "a/../<b>&c=d?e#f.png");
    expect(parseRoute(formatRoute(odd))).toEqual(odd);
  });
});

describe("breadcrumbs", () => {
  it("gives every step its way back", () => {
    expect(steps("a/b/")).toEqual([
      { name: "a", prefix: "a/" },
      { name: "b", prefix: "a/b/" },
    ]);
    expect(steps("")).toEqual([]);
    expect(parentOf("a/b/")).toBe("a/");
    expect(parentOf("a/")).toBe("");
  });
});
