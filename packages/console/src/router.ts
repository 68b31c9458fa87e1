// Where the person is, kept in the fragment so that it never reaches a server: `#/media/pictures/a/b/?open=a/b/x.png`.
// Parsing never fails; a route that makes no sense is Media without a source.

import { signal } from "@preact/signals";

export type Route =
  | { panel: "media"; source: string | null; prefix: string; open: string | null }
  | { panel: "companion" }
  | { panel: "relay" }
  | { panel: "operator" }
  | { panel: "doors"; surface: string | null }
  | { panel: "audit"; kind: string; surface: string };

export type PanelName = Route["panel"];

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = split(hash.replace(/^#/, ""), "?");
  const asked = new URLSearchParams(query);
  const [, panel = "", ...rest] = path.split("/");
  switch (panel) {
    case "companion":
    case "relay":
    case "operator":
      return { panel };
    case "doors":
      return { panel, surface: rest[0] ? decode(rest[0]) : null };
    case "audit":
      return { panel, kind: asked.get("kind") ?? "", surface: asked.get("surface") ?? "" };
    default: {
      const [source = "", ...parts] = panel === "media" ? rest : [];
      const prefix = parts.map(decode).join("/");
      return {
        panel: "media",
        source: source ? decode(source) : null,
        prefix: prefix && !prefix.endsWith("/") ? `${prefix}/` : prefix,
        open: asked.get("open"),
      };
    }
  }
}

export function formatRoute(route: Route): string {
  switch (route.panel) {
    case "companion":
    case "relay":
    case "operator":
      return `#/${route.panel}`;
    case "doors":
      return route.surface ? `#/doors/${encodeURIComponent(route.surface)}` : "#/doors";
    case "audit":
      return `#/audit${query({ kind: route.kind, surface: route.surface })}`;
    case "media": {
      if (!route.source) return "#/media";
      const prefix = route.prefix.split("/").map(encodeURIComponent).join("/");
      return `#/media/${encodeURIComponent(route.source)}/${prefix}${query({ open: route.open ?? "" })}`;
    }
  }
}

export const mediaRoute = (source: string | null, prefix = "", open: string | null = null): Route => ({
  panel: "media",
  source,
  prefix,
  open,
});

/** `a/b/` as steps a breadcrumb can link to. */
export function steps(prefix: string): { name: string; prefix: string }[] {
  const parts = prefix.split("/");
  parts.pop();
  return parts.map((name, i) => ({ name, prefix: `${parts.slice(0, i + 1).join("/")}/` }));
}

export const parentOf = (prefix: string): string => prefix.replace(/[^/]*\/$/, "");

export const route = signal<Route>(mediaRoute(null));

export function startRouter(): void {
  const read = (): void => {
    route.value = parseRoute(location.hash);
  };
  addEventListener("hashchange", read);
  read();
}

/** `replace` keeps the step out of the history: next and previous in a preview are not places to go back to. */
export function go(to: Route, how: "push" | "replace" = "push"): void {
  const hash = formatRoute(to);
  if (hash === location.hash) return;
  if (how === "push") history.pushState(null, "", hash);
  else history.replaceState(null, "", hash);
  route.value = to;
}

function query(asked: Record<string, string>): string {
  const kept = Object.entries(asked).filter(([, value]) => value !== "");
  return kept.length ? `?${new URLSearchParams(kept)}` : "";
}

function split(text: string, at: string): [string, string] {
  const i = text.indexOf(at);
  return i < 0 ? [text, ""] : [text.slice(0, i), text.slice(i + 1)];
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
