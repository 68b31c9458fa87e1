// The harness itself, against a page of a plain local server: proves that each engine can do what the tests ask of
// it before anything is blamed on the daemon.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { inEngines } from "./lib/engines.js";
import { startForeign } from "./lib/foreign.js";
import { longPdf } from "./lib/pdf.js";

const STRICT = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'";

async function playground(t) {
  const foreign = await startForeign();
  t.after(() => foreign.stop());
  foreign.page("/script.js", "document.documentElement.dataset.ran = 'yes'; document.querySelector('button').onclick = (e) => { e.target.textContent = 'clicked'; };", { type: "text/javascript" });
  foreign.page("/strict", '<!doctype html><title>strict</title><button>press</button><input><script src="/script.js"></script>', {
    headers: { "content-security-policy": STRICT, "set-cookie": "kept=1; HttpOnly; SameSite=Strict; Path=/; Max-Age=600" },
  });
  foreign.page("/broken", '<!doctype html><title>broken</title><script>window.ran = true</script><img src="http://127.0.0.1:1/x.png"><p id="here"></p>', {
    headers: { "content-security-policy": STRICT },
  });
  return foreign;
}

inEngines("harness_reads_and_runs_under_a_strict_policy", async ({ page, t }) => {
  const foreign = await playground(t);
  await page.goto(`${foreign.origin}/strict`);
  assert.equal(await page.evaluate("document.title"), "strict");
  assert.equal(await page.evaluate(async (a, b) => (await Promise.resolve(a)) + b.c, 1, { c: 2 }), 3);
  assert.equal(await page.evaluate(() => undefined), undefined);
  await assert.rejects(page.evaluate(() => Promise.reject(new Error("planted"))), /planted/);
  await page.waitFor(() => document.documentElement.dataset.ran === "yes");
  await assert.rejects(page.waitFor(() => false, { timeout: 300 }), /waited 300 ms/);
  await page.click("button");
  await page.waitFor(() => document.querySelector("button").textContent === "clicked");
  await page.type("input", "typed");
  await page.press("End");
  await page.press("!");
  assert.equal(await page.evaluate(() => document.querySelector("input").value), "typed!");
  assert.equal(await page.url(), `${foreign.origin}/strict`);
  assert.deepEqual(await page.violations(), []);
});

inEngines("harness_sees_policy_violations", async ({ engine, page, t }) => {
  const foreign = await playground(t);
  await page.goto(`${foreign.origin}/broken`);
  assert.equal(await page.evaluate(() => window.ran), undefined);
  await page.evaluate(() => {
    document.querySelector("#here").append(Object.assign(new Image(), { src: "http://127.0.0.1:1/late.png" }));
  });
  await page.waitFor(() => window.__violations.some((v) => v.blocked.endsWith("/late.png")));
  const directives = (await page.violations()).map((v) => v.directive);
  assert.ok(directives.includes("img-src"), `img-src among ${directives}`);
  if (engine !== "webkit") assert.ok(directives.some((d) => d.startsWith("script-src")), `script-src among ${directives}`);
});

inEngines("harness_tabs_share_cookies_but_not_session_storage", async ({ browser, page, t }) => {
  const foreign = await playground(t);
  await page.goto(`${foreign.origin}/strict`);
  await page.evaluate(() => sessionStorage.setItem("mine", "1"));
  const second = await browser.newPage();
  await second.goto(`${foreign.origin}/strict?again`);
  assert.match(foreign.visits.at(-1).url === "/script.js" ? foreign.visits.at(-2).headers.cookie : foreign.visits.at(-1).headers.cookie, /kept=1/);
  assert.equal(await second.evaluate(() => sessionStorage.getItem("mine")), null);
  assert.equal(await page.evaluate(() => sessionStorage.getItem("mine")), "1");
  assert.equal(await second.evaluate(() => document.cookie), "");
  const [kept] = (await browser.cookies(`${foreign.origin}/strict`)).filter((c) => c.name === "kept");
  assert.deepEqual({ ...pick(kept, ["value", "httpOnly", "secure", "sameSite", "path"]) }, { value: "1", httpOnly: true, secure: false, sameSite: "Strict", path: "/" });
  await second.close();
  assert.equal(await page.evaluate("document.title"), "strict");
});

inEngines("harness_takes_pictures", async ({ engine, page, t }) => {
  const foreign = await playground(t);
  const folder = await mkdtemp(join(tmpdir(), "dw-shot-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await page.size(800, 600);
  if (engine === "chromium") await page.scheme("dark");
  await page.goto(`${foreign.origin}/strict`);
  await page.screenshot(join(folder, "x.png"));
  const png = await readFile(join(folder, "x.png"));
  assert.equal(png.subarray(1, 4).toString(), "PNG");
  if (engine === "chromium") assert.equal(png.readUInt32BE(16), 800);
});

test("harness_makes_the_same_long_pdf_every_time", () => {
  const pdf = longPdf();
  assert.ok(pdf.length > 5_000_000, `${pdf.length} bytes`);
  assert.ok(pdf.equals(longPdf()));
  const xref = Number(/startxref\n(\d+)/.exec(pdf.subarray(-64).toString("latin1"))[1]);
  assert.equal(pdf.subarray(xref, xref + 4).toString(), "xref");
});

const pick = (from, names) => Object.fromEntries(names.map((name) => [name, from[name]]));
