// Signing in to a gateway in the three engines: the cookie that comes with it replaces the one before, and the page
// goes on under its own policy.

import assert from "node:assert/strict";
import { api, enter, ok } from "./lib/console.js";
import { startDaemon } from "./lib/daemon.js";
import { inEngines } from "./lib/engines.js";
import { needsDaemon } from "./lib/places.js";

async function ours(browser, daemon) {
  const [cookie, ...more] = (await browser.cookies(`${daemon.control}/`)).filter((c) => c.name === `doorward_${daemon.port}`);
  assert.deepEqual(more, []);
  return cookie;
}

inEngines(
  "op_k5_op_x3_the_cookie_of_a_sign_in_is_kept_and_sent_again",
  async ({ browser, page, t }) => {
    const daemon = await startDaemon({ args: ["--demo"] });
    t.after(() => daemon.stop());
    await enter(page, daemon.launchUrl);
    const before = await ours(browser, daemon);
    const login = await ok(page, "POST", "/api/operator/login/guest", {});
    assert.equal(login.state.owner.state, "mine");
    const after = await ours(browser, daemon);
    assert.notEqual(after.value, before.value);
    for (const name of ["httpOnly", "secure", "sameSite", "path"]) assert.equal(after[name], before[name], name);
    // The tab's token is another one, too.
    const old = await api(page, "POST", "/api/operator/login/cancel", {});
    assert.equal(old.body.denial, "csrfMismatch");
    const state = await ok(page, "GET", "/api/operator/state");
    assert.equal(state.session.profile, "guest");
    await page.goto(`${daemon.control}/`);
    await page.waitFor(() => document.querySelector('[data-testid="rail-media"]') !== null, { why: "the console to draw its frame" });
    assert.equal((await ok(page, "GET", "/api/operator/state")).owner.state, "mine");
    assert.deepEqual(await page.violations(), []);
  },
  { needs: needsDaemon },
);
