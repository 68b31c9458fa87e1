// The console as its page sees it. Names of elements are those of packages/console/README.md.

import assert from "node:assert/strict";

const SHELF = "doorward.keys";

/** Opens the console with a launch URL and waits until it has its session. */
export async function enter(page, launchUrl) {
  await page.goto(launchUrl);
  await page.waitFor((shelf) => sessionStorage.getItem(shelf) !== null, { args: [SHELF], why: "the console to claim its session" });
  await page.waitFor(() => document.querySelector('[data-testid="rail-media"]') !== null, { why: "the console to draw its frame" });
}

/** An API call made by the console's own page, with its proof: `{status, body}`. */
export function api(page, method, path, body) {
  return page.evaluate(
    async (shelf, how, where, what) => {
      const keys = JSON.parse(sessionStorage.getItem(shelf));
      const headers = { accept: "application/json", "x-doorward-proof": keys.proof };
      if (how !== "GET") headers["x-csrf-token"] = keys.csrf;
      if (what !== null) headers["content-type"] = "application/json";
      const answer = await fetch(where, { method: how, headers, cache: "no-store", body: what === null ? undefined : JSON.stringify(what) });
      return { status: answer.status, body: await answer.json() };
    },
    SHELF,
    method,
    path,
    body ?? null,
  );
}

export async function ok(page, method, path, body) {
  const answer = await api(page, method, path, body);
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** The first source's id. */
export async function firstSource(page) {
  const { sources } = await ok(page, "GET", "/api/sources");
  assert.ok(sources.length > 0, "the daemon has a source");
  return sources[0].id;
}

/** Entry of one file by its key. */
export async function entry(page, source, key) {
  const prefix = key.includes("/") ? key.slice(0, key.lastIndexOf("/") + 1) : "";
  const { entries } = await ok(page, "GET", `/api/sources/${encodeURIComponent(source)}/list?prefix=${encodeURIComponent(prefix)}&limit=500`);
  const found = entries.find((e) => e.key === key);
  assert.ok(found, `${key} is listed among ${entries.map((e) => e.key)}`);
  return found;
}

export async function mint(page, source, key, disposition = "inline") {
  const { grants } = await ok(page, "POST", "/api/grants", { sources: [`${source}:${key}`], disposition });
  return grants[0];
}

export async function grant(page, id) {
  const { grants } = await ok(page, "GET", "/api/grants");
  return grants.find((g) => g.id === id) ?? null;
}

/** Everything a stranger might have changed, without what changes by itself. */
export async function state(page) {
  const [{ session, grants }, { sources }] = [await ok(page, "GET", "/api/state"), await ok(page, "GET", "/api/sources")];
  return { session: session.id, tabs: session.tabs, grants, sources: sources.map((s) => s.id) };
}

/** How often each listener has refused, by the rule that was broken. */
export async function refusals(page) {
  const { listeners } = await ok(page, "GET", "/api/routes");
  const counts = {};
  for (const listener of listeners) {
    for (const surface of listener.surfaces) {
      for (const { denial, count } of surface.refused) counts[denial] = (counts[denial] ?? 0) + count;
    }
  }
  return { ...counts, total: Object.values(counts).reduce((a, b) => a + b, 0) };
}

/** Opens a preview by its address, as a link of the console would. */
export async function preview(page, source, key) {
  await page.evaluate((hash) => {
    location.hash = hash;
  }, `#/media/${encodeURIComponent(source)}/?open=${encodeURIComponent(key)}`);
}

export const panels = { media: "#/media", relay: "#/relay", operator: "#/operator", doors: "#/doors", audit: "#/audit" };
