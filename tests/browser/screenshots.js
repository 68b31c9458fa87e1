// Takes the pictures of docs/screenshots from a real `doorward serve --demo`: node screenshots.js FOLDER

import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ask, FIRST_SECOND, introduce, openDoor, startCompanion, startFiles, startSite } from "./lib/companion.js";
import { enter, ok } from "./lib/console.js";
import { launch } from "./lib/engines.js";
import { call, operation, shown, signIn } from "./lib/gateway.js";
import { needsDaemon } from "./lib/places.js";
import { pause } from "./lib/process.js";

const [folder] = process.argv.slice(2);
const trouble = folder ? needsDaemon() : "usage: node screenshots.js FOLDER";
if (trouble) {
  console.error(trouble);
  process.exit(2);
}
const to = resolve(folder);
await mkdir(to, { recursive: true });

const ends = [];
const after = { after: (end) => ends.unshift(end) };
const daemon = await startCompanion(after, "--demo");
const browser = await launch("chromium");
let failed = false;
try {
  const page = await browser.newPage();
  await page.scheme("light");
  await enter(page, daemon.launchUrl);
  const places = await tour(page);
  await pages();
  for (const scheme of ["light", "dark"]) {
    await page.scheme(scheme);
    for (const [width, height] of [[1280, 800], [400, 800]]) {
      await page.size(width, height);
      for (const { name, hash, ready } of places) {
        await page.evaluate((h) => {
          location.hash = h;
        }, hash);
        await page.waitFor(ready, { timeout: 30_000, why: `${name} to be drawn` });
        await settled(page);
        const file = `${name}-${scheme}-${width}.png`;
        await page.screenshot(join(to, file));
        console.log(file);
      }
    }
  }
  await files(page);
  const complaints = [...page.complaints(), ...(await page.violations()).map((v) => `policy: ${v.directive} ${v.blocked}`)];
  for (const text of complaints) console.error(text);
  failed ||= complaints.length > 0;
} finally {
  await browser.close();
  for (const end of ends) await end();
}
process.exit(failed ? 1 : 0);

/** Previews come first, so that the panels after them have something live to show. */
async function tour(page) {
  const image = await find(page, "image");
  const pdf = await find(page, "pdf");
  await ok(page, "POST", "/api/relays", { upstream: "wss://livekit.example.com", livekit: true });
  await operate(page);
  const media = `#/media/${encodeURIComponent(image.source)}/${image.prefix.split("/").map(encodeURIComponent).join("/")}`;
  return [
    { name: "image", hash: open(image), ready: () => document.querySelector('[data-testid="preview"] img')?.complete === true },
    { name: "pdf", hash: open(pdf), ready: () => Number(document.querySelector('[data-testid="pdf"]')?.dataset.page) >= 1 },
    { name: "media", hash: media, ready: () => document.querySelectorAll('[data-testid="entry"]').length > 0 },
    {
      name: "companion",
      hash: "#/companion",
      ready: () => ["pending", "paired"].every((it) => document.querySelector(`main [data-testid="${it}"]`) !== null),
    },
    { name: "relay", hash: "#/relay", ready: () => document.querySelector('[data-testid="relay"]') !== null },
    { name: "operator", hash: "#/operator", ready: () => document.querySelectorAll('[data-testid="result"]').length === 4 },
    { name: "doors", hash: "#/doors", ready: () => document.querySelector('[data-testid="rail-doors"]')?.getAttribute("aria-current") === "page" },
    { name: "audit", hash: "#/audit", ready: () => document.querySelector('[data-testid="rail-audit"]')?.getAttribute("aria-current") === "page" },
  ];
}

/** A session on the demo's gateway, and some of what can be done with it. */
async function operate(page) {
  await page.evaluate(() => {
    location.hash = "#/operator";
  });
  await signIn(page, { account: "demo", password: "demo" });
  await call(page, "system", "motd");
  await call(page, "system", "status");
  await call(page, "notes", "put", { name: "shopping", text: "bread, tea" });
  await shown(page, `${operation("notes", "put")} [data-testid="result"]`);
  await call(page, "notes", "list");
}

/** One page that is paired, and another that asks. */
async function pages() {
  const wants = [{ folder: "Notes", rights: ["read"] }, { folder: "Drafts", rights: ["read", "write"] }];
  for (const act of [(page) => introduce(page, daemon, wants.slice(0, 1)), (page) => page.evaluate(ask, wants)]) {
    const site = await startSite(after);
    const page = await browser.newPage();
    await page.goto(`${site.origin}/`);
    await page.evaluate(openDoor, daemon.companionPort);
    await act(page);
  }
  await pause(FIRST_SECOND);
}

/** examples/files with the demo's pictures: tiles and a selection, then rows. */
async function files(console) {
  const { sources } = await ok(console, "GET", "/api/sources");
  const { location } = sources.find(({ kind }) => kind === "folder");
  const own = await startCompanion(after, "--share", `Pictures=${location}:rwd`, "--share", `Clips=${location}/Clips`);
  const site = await startFiles(after);
  const page = await browser.newPage();
  const at = (hash) => `${site.origin}/?ports=${own.companionPort}&folders=Pictures,Clips${hash}`;
  await page.goto(at("#/Pictures/Landscapes"));
  await page.waitFor(() => !document.getElementById("ask").hidden, { why: "the page to find the companion" });
  await page.click("#ask .main");
  const code = await page.waitFor(() => document.getElementById("code").value);
  await pause(FIRST_SECOND);
  await own.pair("approve", "--code", code.replace(" ", ""));
  await page.click("#same");
  await page.waitFor(() => document.getElementById("live").textContent === "live", { why: "the folder to be watched" });
  await page.evaluate(() => document.getElementById("look").click());
  for (const scheme of ["light", "dark"]) {
    await page.scheme(scheme);
    for (const width of [1280, 400]) {
      await page.size(width, 800);
      await page.waitFor(() => document.querySelectorAll(".tiles .face canvas").length > 3, { why: "the thumbnails" });
      await page.evaluate(() => document.querySelector('[data-path$="dawn.jpg"]').click());
      await settled(page);
      const file = `files-${scheme}-${width}.png`;
      await page.screenshot(join(to, file));
      globalThis.console.log(file);
    }
  }
  for (const text of page.complaints()) globalThis.console.error(text);
  failed ||= page.complaints().length > 0;
}

function open({ source, prefix, key }) {
  return `#/media/${encodeURIComponent(source)}/${prefix.split("/").map(encodeURIComponent).join("/")}?open=${encodeURIComponent(key)}`;
}

/** The first file of a kind, breadth first over every source. */
async function find(page, view) {
  const { sources } = await ok(page, "GET", "/api/sources");
  const queue = sources.map(({ id }) => ({ source: id, prefix: "" }));
  for (let looked = 0; queue.length > 0 && looked < 50; looked += 1) {
    const { source, prefix } = queue.shift();
    const { entries } = await ok(page, "GET", `/api/sources/${encodeURIComponent(source)}/list?prefix=${encodeURIComponent(prefix)}`);
    const found = entries.find((e) => e.view === view && e.url);
    if (found) return { source, prefix, key: found.key };
    queue.push(...entries.filter((e) => e.kind === "folder").map((e) => ({ source, prefix: e.key.endsWith("/") ? e.key : `${e.key}/` })));
  }
  throw new Error(`the demo has no file to preview as ${view}`);
}

/** Pictures loaded, fonts ready, nothing moving. */
async function settled(page) {
  await page.waitFor(() => [...document.images].filter((i) => i.getBoundingClientRect().top < innerHeight).every((i) => i.complete));
  await page.evaluate(() => document.fonts.ready.then(() => true));
  await pause(500);
}
