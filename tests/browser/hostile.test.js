// Files that would attack whoever opens them, served from a folder like any other: no script of theirs runs, nothing
// of theirs is fetched, whether they are opened in a tab or in a frame.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mint, preview } from "./lib/console.js";
import { pause } from "./lib/process.js";
import { inConsole } from "./lib/visit.js";

const script = (to, who) => `document.title='RAN';try{new Image().src='${to}/canary?${who}-image'}catch(e){};try{fetch('${to}/canary?${who}-fetch',{mode:'no-cors'})}catch(e){};try{top.postMessage('RAN','*')}catch(e){}`;

const FILES = {
  "hostile.html": (to) => `<!doctype html><title>quiet</title><meta http-equiv="refresh" content="0;url=${to}/canary?html-refresh">
<script>${script(to, "html")}</script><link rel="stylesheet" href="${to}/canary?html-css"><img src="${to}/canary?html-img" onerror="${script(to, "html-onerror")}">
<iframe srcdoc="&lt;script>${script(to, "html-srcdoc")}&lt;/script>"></iframe><video src="${to}/canary?html-video"></video><body onload="${script(to, "html-onload")}">`,
  "hostile.svg": (to) => `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9" onload="${script(to, "svg-onload")}"><title>quiet</title><script>${script(to, "svg")}</script><image href="${to}/canary?svg-image" width="9" height="9"/><foreignObject width="9" height="9"><iframe xmlns="http://www.w3.org/1999/xhtml" src="${to}/canary?svg-frame"/></foreignObject></svg>`,
  "hostile.xhtml": (to) => `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>quiet</title><script>${script(to, "xhtml")}</script></head><body/></html>`,
  "hostile.xml": (to) => `<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="${to}/canary?xml-xsl"?><x><s:script xmlns:s="http://www.w3.org/1999/xhtml">${script(to, "xml")}</s:script></x>`,
  "hostile.js": (to) => script(to, "js"),
  // HTML that says it is a picture, and HTML that says nothing.
  "hostile.png": (to) => `<!doctype html><title>quiet</title><script>${script(to, "png")}</script>`,
  hostile: (to) => `<!doctype html><title>quiet</title><script>${script(to, "nameless")}</script>`,
};

const DISPOSITIONS = ["inline", "isolated", "framed"];

async function hostileFolder(foreign, t) {
  const folder = await mkdtemp(join(tmpdir(), "dw-hostile-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, make] of Object.entries(FILES)) await writeFile(join(folder, name), make(foreign.origin));
  return folder;
}

const options = { folder: hostileFolder, needs: () => null, timeout: 240_000 };

inConsole("t51_hostile_files_run_nothing_opened_in_a_tab", async ({ browser, page, foreign, source }) => {
  const tab = await proveCanary(browser, foreign);
  for (const name of Object.keys(FILES)) {
    for (const disposition of DISPOSITIONS) {
      const { url } = await mint(page, source, name, disposition);
      await tab.goto(url);
      await pause(250);
      assert.notEqual(await title(tab), "RAN", `${name} as ${disposition}`);
    }
  }
  await pause(1_000);
  assert.deepEqual(foreign.canaries(), []);
}, options);

inConsole("t51_hostile_files_run_nothing_in_a_frame", async ({ browser, page, foreign, source }) => {
  const stranger = await proveCanary(browser, foreign);
  const urls = [];
  for (const name of Object.keys(FILES)) {
    for (const disposition of DISPOSITIONS) urls.push((await mint(page, source, name, disposition)).url);
  }
  foreign.page("/", "<!doctype html><title>frames</title><body></body>");
  await stranger.goto(`${foreign.origin}/`);
  for (const framing of [page, stranger]) {
    await framing.evaluate((addresses) => {
      window.__messages = [];
      window.addEventListener("message", (e) => window.__messages.push(String(e.data)));
      for (const src of addresses) for (const tag of ["iframe", "embed", "object"]) document.body.append(Object.assign(document.createElement(tag), tag === "object" ? { data: src } : { src }));
    }, urls);
  }
  await pause(4_000);
  assert.deepEqual(await page.evaluate(() => window.__messages.filter((m) => m === "RAN")), []);
  assert.deepEqual(await stranger.evaluate(() => window.__messages.filter((m) => m === "RAN")), []);
  assert.deepEqual(foreign.canaries(), []);
}, options);

inConsole("m28_hostile_files_are_shown_as_text_by_the_console", async ({ page, foreign, source }) => {
  for (const name of ["hostile.html", "hostile.svg", "hostile.xml", "hostile.js"]) {
    await preview(page, source, name);
    await page.waitFor((key) => document.querySelector(`[data-testid="preview"][data-key="${key}"]`)?.textContent.includes("RAN"), { args: [name], why: `the text of ${name}` });
  }
  assert.notEqual(await page.evaluate("document.title"), "RAN");
  assert.deepEqual(foreign.canaries(), []);
}, options);

/** A document that was blocked half way has no title, and an engine may wait for one for ever. */
function title(tab) {
  const told = tab.evaluate("document.title").catch(() => "no document");
  return Promise.race([told, pause(5_000).then(() => "no document")]);
}

/**
 * The same file from a server that lets it: without this, silence would prove nothing. Resolves to the tab that showed
 * it, empty again: a Chromium that was made to close it now and then never opens another.
 */
async function proveCanary(browser, foreign) {
  foreign.page("/let", FILES["hostile.html"](foreign.origin));
  const tab = await browser.newPage();
  await tab.goto(`${foreign.origin}/let`);
  await foreign.visited("/canary?html-fetch");
  await foreign.visited("/canary?html-refresh");
  await tab.goto("about:blank");
  await pause(300);
  foreign.visits.length = 0;
  return tab;
}
