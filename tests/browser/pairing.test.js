// A page of another origin and the person in front of this computer: pairing, signed requests, and every way out.

import assert from "node:assert/strict";
import test from "node:test";
import { ask, ended, FIRST_SECOND, introduce, openDoor, startCompanion, startSite } from "./lib/companion.js";
import { enter } from "./lib/console.js";
import { inEngines, inEnginesAtOnce, launch, missing } from "./lib/engines.js";
import { needsDaemon } from "./lib/places.js";
import { pause } from "./lib/process.js";

function inPage(name, body, { register = inEngines, ...options } = {}) {
  register(
    name,
    async (context) => {
      const { page, t } = context;
      const daemon = await startCompanion(t);
      const site = await startSite(t);
      await page.goto(`${site.origin}/`);
      await page.evaluate(openDoor, daemon.companionPort);
      await body({ ...context, daemon, site });
    },
    { needs: needsDaemon, ...options },
  );
}

const state = (page) => page.evaluate(() => window.door.state.value);

inPage("t63_a_page_is_paired_by_the_person_and_its_requests_are_signed", async ({ page, daemon, site }) => {
  assert.equal(await state(page), "unpaired");
  const code = await page.evaluate(ask);
  assert.equal(await state(page), "pending");
  const { pending } = await daemon.pair("list");
  assert.equal(pending.origin, site.origin);
  await pause(FIRST_SECOND);
  // Approval alone is not enough: the page's person confirms too.
  assert.equal((await daemon.pair("approve", "--code", code.replace(" ", ""))).state, "waiting");
  assert.equal(await page.evaluate(() => window.ended), null);
  await page.evaluate(() => window.waiting.confirm());
  assert.equal(await ended(page), "paired");
  assert.deepEqual(await page.evaluate(() => window.states), ["unpaired", "pending", "paired"]);

  const own = await page.evaluate(() => window.door.call("/pairing"));
  assert.deepEqual([own.origin, own.label], [site.origin, "Notes"]);
  // What is kept cannot be read out, and is there after a reload.
  const kept = await page.evaluate(async () => {
    const database = await new Promise((resolve, reject) => {
      const opening = indexedDB.open("doorward", 1);
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
    const found = await new Promise((resolve) => {
      const asked = database.transaction("pairings").objectStore("pairings").get("companion");
      asked.onsuccess = () => resolve(asked.result);
    });
    database.close();
    const out = await crypto.subtle.exportKey("raw", found.request).then(
      () => "read out",
      (cause) => cause.name,
    );
    return [found.keyId, found.request.extractable, out, JSON.stringify(localStorage)];
  });
  assert.deepEqual(kept, [own.keyId, false, "InvalidAccessError", '{"doorward.paired":"1"}']);
  await page.goto(`${site.origin}/`);
  assert.equal(await page.evaluate(openDoor, daemon.companionPort), "paired");
  assert.equal((await page.evaluate(() => window.door.call("/pairing"))).keyId, own.keyId);
});

inPage("t108_a_page_that_is_forgotten_hears_of_it_and_is_refused", async ({ page, daemon }) => {
  assert.equal(await introduce(page, daemon), "paired");
  await page.evaluate(() => {
    window.heard = [];
    window.door.listen((event) => window.heard.push(event.kind));
  });
  await page.waitFor(() => window.heard.includes("hello"), { why: "the socket of events" });
  const { pairings } = await daemon.pair("list");
  await daemon.pair("forget", pairings[0].keyId ?? pairings[0].id);
  await page.waitFor(() => window.door.state.value === "revoked", { why: "the page to hear of it" });
  assert.equal(await page.evaluate(() => window.door.call("/pairing").catch((cause) => cause.code)), "revoked");
  // It may ask again, and is told apart from a page that never was.
  assert.equal(await introduce(page, daemon), "paired");
  assert.equal(await state(page), "paired");
  // And end it itself.
  await page.evaluate(() => window.door.forget());
  assert.equal(await state(page), "unpaired");
  assert.deepEqual((await daemon.pair("list")).pairings, []);
});

inPage("t69_what_is_denied_cancelled_or_left_cannot_be_approved", async ({ page, daemon, site }) => {
  const approve = async (code) => {
    await pause(FIRST_SECOND);
    // Looked at first: a wrong code would end what is still there.
    assert.equal((await daemon.pair("list")).pending, null);
    await assert.rejects(daemon.pair("approve", "--code", code.replace(" ", "")));
    assert.deepEqual((await daemon.pair("list")).pairings, []);
  };
  let code = await page.evaluate(ask);
  await daemon.pair("deny");
  assert.equal(await ended(page), "pairingGone");
  assert.equal(await state(page), "unpaired");
  await approve(code);

  code = await page.evaluate(ask);
  await page.evaluate(() => window.waiting.cancel());
  assert.equal(await ended(page), "cancelled");
  await approve(code);

  // The tab goes to another page.
  code = await page.evaluate(ask);
  site.page("/elsewhere", "<!doctype html><title>elsewhere</title>");
  await page.goto(`${site.origin}/elsewhere`);
  for (let left = 100; left > 0 && (await daemon.pair("list")).pending; left--) await pause(200);
  await approve(code);
});

inPage("t69_a_restart_leaves_nothing_to_approve_and_nobody_paired_who_was_not_kept", async ({ page, daemon, site, t }) => {
  assert.equal(await introduce(page, daemon), "paired");
  await page.evaluate(ask);
  await daemon.stop();
  assert.match(await ended(page), /^(pairingGone|unavailable)$/);
  await page.evaluate(() => window.door.retry());
  assert.equal(await state(page), "unavailable");

  const next = await startCompanion(t, "--companion-port", String(daemon.companionPort));
  assert.deepEqual([(await next.pair("list")).pending, (await next.pair("list")).pairings], [null, []]);
  await assert.rejects(next.pair("approve", "--code", "000000"));
  // Its key was kept in memory alone: the page hears that it counts no more, and may ask again.
  await page.goto(`${site.origin}/`);
  assert.equal(await page.evaluate(openDoor, next.companionPort), "revoked");
  assert.equal(await introduce(page, next), "paired");
  assert.equal(await state(page), "paired");
});

inPage("t69_a_closed_tab_or_browser_leaves_nothing_to_approve", async ({ engine, browser, daemon, site, t }) => {
  const left = async (page, close) => {
    await page.goto(`${site.origin}/`);
    await page.evaluate(openDoor, daemon.companionPort);
    const code = await page.evaluate(ask);
    assert.equal((await daemon.pair("list")).pending.origin, site.origin);
    await close();
    for (let times = 100; times > 0 && (await daemon.pair("list")).pending; times--) await pause(200);
    assert.equal((await daemon.pair("list")).pending, null);
    await assert.rejects(daemon.pair("approve", "--code", code.replace(" ", "")));
    assert.deepEqual((await daemon.pair("list")).pairings, []);
  };
  const tab = await browser.newPage();
  await left(tab, () => tab.close());
  const other = await launch(engine);
  let open = true;
  t.after(() => open && other.close());
  await left(await other.newPage(), async () => {
    open = false;
    await other.close();
  });
});

// It really takes two minutes: nothing shortens them, in no build.
inPage(
  "t69_what_nobody_answers_runs_out_and_cannot_be_approved",
  async ({ page, daemon }) => {
    const code = await page.evaluate(ask);
    // Confirmed by the page alone, and the page waits to the end.
    await page.evaluate(() => window.waiting.confirm());
    assert.equal(await page.waitFor(() => window.ended, { why: "two minutes", timeout: 150_000 }), "pairingGone");
    assert.equal(await state(page), "unpaired");
    // Not because it went: its time was over.
    assert.ok(await page.evaluate(() => Date.now() >= window.waiting.expiresAt.getTime() - 2_000));
    assert.equal((await daemon.pair("list")).pending, null);
    await assert.rejects(daemon.pair("approve", "--code", code.replace(" ", "")));
    assert.deepEqual((await daemon.pair("list")).pairings, []);
    // And it may ask again.
    assert.equal(await introduce(page, daemon), "paired");
  },
  { register: inEnginesAtOnce, timeout: 300_000 },
);

inPage("t63_two_profiles_on_one_origin_both_stay_paired", async ({ engine, page, daemon, site, t }) => {
  assert.equal(await introduce(page, daemon), "paired");
  const other = await launch(engine);
  t.after(() => other.close());
  const there = await other.newPage();
  await there.goto(`${site.origin}/`);
  assert.equal(await there.evaluate(openDoor, daemon.companionPort), "unpaired");
  assert.equal(await introduce(there, daemon), "paired");
  const ids = [];
  for (const one of [page, there]) ids.push((await one.evaluate(() => window.door.call("/pairing"))).keyId);
  assert.notEqual(ids[0], ids[1]);
});

inPage("a_lost_key_is_told_as_such_and_can_be_repaired", async ({ page, daemon, site }) => {
  assert.equal(await introduce(page, daemon), "paired");
  await page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const deleting = indexedDB.deleteDatabase("doorward");
        deleting.onsuccess = () => resolve(true);
        deleting.onerror = () => reject(deleting.error);
      }),
  );
  await page.goto(`${site.origin}/`);
  assert.equal(await page.evaluate(openDoor, daemon.companionPort), "repair-required");
  assert.equal(await introduce(page, daemon), "paired");
  assert.equal(await state(page), "paired");
});

inPage("a_key_that_the_browser_does_not_keep_is_ended_on_both_sides", async ({ page, daemon }) => {
  await page.evaluate(openDoor, daemon.companionPort, false);
  assert.equal(await introduce(page, daemon), "full");
  assert.deepEqual((await daemon.pair("list")).pairings, []);
  assert.deepEqual(await page.evaluate(() => window.states), ["unpaired", "pending", "unpaired"]);
});

inPage("a_page_that_looks_again_while_it_waits_still_waits", async ({ page, daemon }) => {
  await page.evaluate(ask);
  assert.equal(await page.evaluate(() => window.door.retry()), "pending");
  assert.equal(await page.evaluate(() => window.door.call("/pairing").catch((cause) => cause.code)), "unpaired");
  assert.equal(await state(page), "pending");
  await daemon.pair("deny");
  assert.equal(await ended(page), "pairingGone");
  assert.equal(await state(page), "unpaired");
});

inPage("t70_the_console_shows_a_request_and_who_is_paired_and_approves_nothing", async ({ browser, page, daemon, site }) => {
  const console = await browser.newPage();
  await enter(console, daemon.launchUrl);
  await console.evaluate(() => {
    location.hash = "#/companion";
  });
  await console.waitFor(() => document.querySelector('main [data-testid="empty"]') !== null, { why: "the empty panel" });
  const shows = (what, words) =>
    console.waitFor(
      (test, list) => {
        const shown = document.querySelector(`main [data-testid="${test}"]`)?.textContent ?? "";
        return list.every((word) => shown.includes(word));
      },
      { args: [what, words], why: `${what}: ${words}` },
    );
  const code = await page.evaluate(ask, [{ folder: "Notes", rights: ["read"] }]);
  await shows("pending", [site.origin, "Notes (read)", "not yet", "doorward pair approve"]);
  const buttons = await console.evaluate(() => document.querySelectorAll('main [data-testid="pending"] button').length);
  assert.equal(buttons, 0);
  await page.evaluate(() => window.waiting.confirm());
  await shows("pending", ["yes"]);
  await pause(FIRST_SECOND);
  await daemon.pair("approve", "--code", code.replace(" ", ""));
  await shows("paired", [site.origin, "Notes (read)"]);
  assert.equal(await ended(page), "paired");
  await console.click('main [data-testid="forget"]');
  await console.waitFor(() => document.querySelector('main [data-testid="paired"]') === null, { why: "the card to go" });
  assert.equal(await page.evaluate(() => window.door.call("/pairing").catch((cause) => cause.code)), "revoked");
  assert.deepEqual(await console.violations(), []);
});

// A page of the internet, as far as Chromium knows: another name, and a port that it takes for public.
test("local_network_access_is_asked_for_on_a_gesture_and_told_apart [chromium]", { timeout: 120_000 }, async (t) => {
  const absent = needsDaemon();
  if (absent) return missing(t, absent);
  const daemon = await startCompanion(t);
  const site = await startSite(t);
  const origin = `http://app.example:${site.port}`;
  const browser = await launch("chromium", {
    args: [
      "--host-resolver-rules=MAP app.example 127.0.0.1",
      `--ip-address-space-overrides=127.0.0.1:${site.port}=public`,
      `--unsafely-treat-insecure-origin-as-secure=${origin}`,
    ],
  });
  t.after(() => browser.close());
  const page = await browser.newPage();
  const opened = async (setting) => {
    await page.goto(`${origin}/`);
    // The second is the older name of both.
    for (const name of ["loopback-network", "local-network-access"]) await page.permission(name, setting);
    return page.evaluate(openDoor, daemon.companionPort);
  };

  assert.equal(await opened("prompt"), "permission-needed");
  assert.equal(await page.evaluate(() => window.door.permission()), "prompt");
  // A click asks; without a person who answers, headless Chromium says no.
  assert.equal(await page.evaluate(() => window.door.retry()), "permission-needed");
  assert.equal(await opened("denied"), "permission-needed");
  assert.equal(await page.evaluate(() => window.door.pair({ label: "Notes" }).catch((cause) => cause.code)), "permission-needed");
  assert.equal((await daemon.pair("list")).pending, null);

  assert.equal(await opened("granted"), "unpaired");
  assert.equal(await introduce(page, daemon), "paired");
  assert.equal((await page.evaluate(() => window.door.call("/pairing"))).origin, origin);
  // Taken back: the key stays, and nothing is asked.
  assert.equal(await opened("denied"), "permission-needed");
  assert.equal(await opened("granted"), "paired");
});
