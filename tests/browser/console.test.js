// The console in the three engines: it boots under its own policy, its cookie is kept as it was sent, tabs join, and
// the launch ticket is good once.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { api, enter, entry, mint, ok, panels, preview } from "./lib/console.js";
import { inConsole } from "./lib/visit.js";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

inConsole("t48_console_boots_without_policy_violations", async ({ engine, page, daemon, source }) => {
  assert.ok(!(await page.url()).includes("ticket"), "the ticket has left the address bar");
  // Styled, by a style sheet that its policy let through.
  assert.ok(await page.evaluate(() => document.styleSheets.length > 0 && getComputedStyle(document.body).fontFamily !== ""));
  await page.waitFor(() => document.querySelectorAll('[data-testid="entry"]').length >= 5, { why: "the folder's entries" });
  for (const hash of Object.values(panels)) {
    await page.evaluate((to) => {
      location.hash = to;
    }, hash);
    await page.waitFor((to) => document.querySelector(`[data-testid="rail-${to}"]`)?.getAttribute("aria-current") === "page", { args: [hash.slice(2)] });
    await page.waitFor(() => document.querySelector("main")?.textContent.trim().length > 20, { why: `${hash} to show something` });
  }
  await preview(page, source, "picture.png");
  await page.waitFor(() => document.querySelector('[data-testid="preview"] img')?.naturalWidth === 640, { why: "the picture" });
  await preview(page, source, "note.txt");
  await page.waitFor(() => document.querySelector('[data-testid="preview"]')?.textContent.includes("A plain note."), { why: "the note" });
  assert.deepEqual(await page.violations(), []);
  assert.deepEqual(page.answers().filter((a) => a.status >= 400), []);
  assert.deepEqual(page.complaints(), []);
  assert.ok(daemon.pid > 0, engine);
});

inConsole("t42_cookie_is_kept_as_sent", async ({ browser, page, daemon }) => {
  const name = `doorward_${daemon.port}`;
  const cookies = await browser.cookies(`${daemon.control}/`);
  const [ours, ...more] = cookies.filter((c) => c.name.startsWith("doorward"));
  assert.equal(more.length, 0);
  assert.equal(ours?.name, name);
  assert.equal(ours.httpOnly, true);
  assert.equal(ours.secure, false, "a Secure cookie on plain loopback is dropped by WebKitGTK");
  assert.equal(ours.sameSite, "Strict");
  assert.equal(ours.path, "/");
  assert.match(ours.value, /^[A-Za-z0-9_-]{43}$/);
  assert.ok(!(await page.evaluate(() => document.cookie)).includes("doorward"));
  // Kept over a reload, and the proof with it.
  await page.goto(`${daemon.control}/`);
  await page.waitFor(() => document.querySelector('[data-testid="rail-media"]') !== null);
  assert.equal((await api(page, "GET", "/api/state")).status, 200);
});

inConsole("t44_second_tab_joins_and_the_first_goes_on", async ({ browser, page, daemon, source }) => {
  const second = await browser.newPage();
  await enter(second, await daemon.open());
  const [one, two] = [await ok(page, "GET", "/api/state"), await ok(second, "GET", "/api/state")];
  assert.equal(one.session.id, two.session.id);
  assert.equal(two.session.tabs, 2);
  await mint(page, source, "picture.png");
  await mint(second, source, "note.txt");
});

inConsole("t49_launch_url_is_good_once", async ({ browser, daemon, page }) => {
  const second = await browser.newPage();
  await second.goto(daemon.launchUrl);
  await second.waitFor(() => document.querySelector('[data-testid="session-needed"]') !== null, { why: "the sentence instead of the console" });
  assert.ok(!(await second.url()).includes("ticket"));
  assert.equal((await ok(page, "GET", "/api/state")).session.tabs, 1);
});

inConsole("t45_sign_out_ends_the_session_in_every_tab", async ({ browser, page, daemon, source }) => {
  const { url } = await entry(page, source, "note.txt");
  const second = await browser.newPage();
  await enter(second, await daemon.open());
  await ok(page, "POST", "/api/session/revoke", {});
  await second.waitFor(() => document.querySelector('[data-testid="session-needed"]') !== null, { why: "the other tab to notice" });
  await page.waitFor(async (u) => (await fetch(u).then((a) => a.status)) === 403, { args: [url], why: "the media URL to end with its session" });
});

inConsole(
  "console_has_no_accessibility_findings",
  async ({ page, source }) => {
    const places = [...Object.values(panels), `#/media/${source}/?open=picture.png`, `#/media/${source}/?open=note.txt`];
    for (const scheme of ["light", "dark"]) {
      await page.scheme(scheme);
      for (const hash of places) {
        await page.evaluate((to) => {
          location.hash = to;
        }, hash);
        await page.waitFor(() => new Promise((resolve) => setTimeout(() => resolve(true), 600)));
        await page.evaluate(axe);
        const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations.map((v) => ({ id: v.id, where: v.nodes.map((n) => n.target.join(" ")) }))));
        assert.deepEqual(found, [], `${hash} in ${scheme}`);
      }
    }
  },
  { engines: ["chromium"] },
);
