// The Operator panel in the three engines, with the reference gateway behind it: signing in, typed forms, results,
// denials in words, chat, transcript; and who hears what when two browsers want the same gateway.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { ok } from "./lib/console.js";
import { inEngines, launch } from "./lib/engines.js";
import { call, give, openPanel, operation, press, RIGHT, shown, signIn, startGateway, startOperator, toPanel } from "./lib/gateway.js";
import { needsDaemon } from "./lib/places.js";
import { pause, until } from "./lib/process.js";

/**
 * As `inEngines`; the body gets the gateway `lab`, the daemon, and `page` at the Operator panel. `more`: other gateways;
 * `accounts`: what the file of a gateway's accounts says besides.
 */
function atPanel(name, body, { more = [], accounts, ...options } = {}) {
  inEngines(
    name,
    async (context) => {
      const { page, t } = context;
      const gateways = {};
      for (const called of ["lab", ...more]) gateways[called] = await startGateway(t, accounts);
      const daemon = await startOperator(t, gateways);
      await openPanel(page, daemon.launchUrl);
      await body({ ...context, daemon, ...gateways });
    },
    { needs: needsDaemon, ...options },
  );
}

const keys = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem("doorward.keys")));
const result = (cap, name) => `${operation(cap, name)} [data-testid="result"]`;
const refusal = (cap, name) => `${operation(cap, name)} [data-testid="trouble"]`;

atPanel("op_r1_the_panel_signs_in_and_goes_on_under_a_new_id", async ({ browser, page, daemon }) => {
  const jar = async () => (await browser.cookies(`${daemon.control}/`)).find((c) => c.name.startsWith("doorward")).value;
  const before = [await jar(), (await keys(page)).csrf];
  // Nothing tells an account's name beforehand, and what is needed is said at its field.
  assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('[data-testid="sign-in"] input')].map((it) => [it.value, it.autocomplete])), [
    ["", "off"],
    ["", "off"],
    ["", "off"],
  ]);
  await give(page, '[data-testid="sign-in"]', { account: "ada" });
  await page.waitFor(() => document.activeElement?.dataset.field === "password" && document.activeElement.getAttribute("aria-invalid") === "true", { why: "the field that is needed" });

  await give(page, '[data-testid="sign-in"]', { account: "ada", password: "hunter2-wrong" });
  const why = await shown(page, '[data-testid="gateway"] [data-testid="trouble"]', "the denial in words");
  assert.match(why, /^You were not signed in\. The gateway does not accept these credentials \(authenticationDenied\)\.Check the account/);
  // The password left its field as it was given; the first pause after a failure is a second.
  assert.equal(await page.evaluate(() => document.querySelector('[data-field="password"]').value), "");
  await pause(1_100);

  const session = await signIn(page);
  assert.match(session, /Signed in asada.*Profileoperator.*Provenby a password/);
  await page.waitFor(() => document.activeElement.id === "gateway", { why: "the focus to be where the session is told" });
  const after = [await jar(), (await keys(page)).csrf];
  assert.ok(before[0] !== after[0] && before[1] !== after[1], "cookie and token are new");
  // What was listened to goes on, and so does everything that changes something.
  await call(page, "system", "motd");
  assert.match(await shown(page, result("system", "motd")), /\S/);
  assert.equal(await page.evaluate(() => document.querySelector('[data-testid="link"]').dataset.link), "live");

  // Kept over a reload, the transcript too.
  await page.goto(`${daemon.control}/`);
  await toPanel(page);
  await shown(page, '[data-testid="gateway-session"]', "the session after a reload");
  await shown(page, '[data-testid="transcript-row"][data-outcome="authenticationDenied"]', "what happened before");
  const told = await shown(page, '[data-testid="transcript"]');
  assert.match(told, /refused: authenticationDenied/);
  assert.ok(!told.includes("hunter2"));
  await call(page, "system", "status");
  assert.match(await shown(page, result("system", "status")), /load/);
  await press(page, '[data-testid="leave"]');
  await shown(page, '[data-testid="sign-in"]', "the form again");
  assert.equal((await ok(page, "GET", "/api/operator/state")).owner.state, "free");
  assert.deepEqual(await page.violations(), []);
});

atPanel("op_d1_forms_are_typed_and_results_are_text", async ({ page }) => {
  await signIn(page);
  // What does not fit is told at its field, and not sent.
  await call(page, "log", "read", { cursor: "", most: "501" });
  await page.waitFor((it) => document.querySelector(`${it} .wrong`)?.textContent === "A number from 1 to 500 is needed.", { args: [operation("log", "read")], why: "the wrong number" });
  await call(page, "log", "read", { cursor: "", most: "5" });
  await shown(page, `${result("log", "read")} table`);
  const heads = await page.evaluate((it) => [...document.querySelectorAll(`${it} th`)].map((head) => head.textContent), result("log", "read"));
  assert.deepEqual(heads, ["cursor", "at", "kind", "text"]);

  // Markup is text, and what would turn the page around is spelt out.
  const hostile = '<img src=x onerror="document.title=1">\n\u202Eevil אבג';
  await call(page, "notes", "put", { name: "a", text: hostile });
  assert.match(await shown(page, result("notes", "put")), /^Done\./);
  await call(page, "notes", "get", { name: "a" });
  const text = await shown(page, `${result("notes", "get")} pre`);
  assert.equal(text, '<img src=x onerror="document.title=1">\n\\u{202e}evil אבג');
  assert.equal(await page.evaluate(() => document.querySelectorAll("main img").length), 0);
  await call(page, "notes", "list");
  await shown(page, `${result("notes", "list")} td`);

  // What cannot be undone is asked about once; Escape and the nearer answer leave it.
  await call(page, "notes", "delete", { name: "a" });
  assert.match(await shown(page, '[data-testid="confirm"]'), /^Delete\?.*Notes \(notes\) · Name: a This cannot be undone\./);
  assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), "keep");
  await page.press("Escape");
  await page.waitFor(() => document.querySelector('[data-testid="confirm"]') === null, { why: "the question to go" });
  // The stroke that asks is not the one that answers.
  await page.type(`${operation("notes", "delete")} [data-field="name"]`, "a");
  await page.press("Enter");
  await shown(page, '[data-testid="confirm"]', "the question by keyboard");
  await pause(200);
  await press(page, '[data-testid="keep"]');
  assert.equal(await page.evaluate((it) => document.querySelector(it), result("notes", "delete")), null);
  await call(page, "notes", "get", { name: "a" });
  await page.waitFor((it) => document.querySelector(`${it} pre`) !== null, { args: [result("notes", "get")], why: "the note to be there still" });
  await call(page, "notes", "delete", { name: "a" });
  await shown(page, '[data-testid="confirm"]');
  await press(page, '[data-testid="confirm-yes"]');
  assert.match(await shown(page, result("notes", "delete")), /^Done\./);
  await call(page, "notes", "get", { name: "a" });
  assert.match(await shown(page, refusal("notes", "get"), "the denial in words"), /was not done\. The request does not fit what is asked for \(badRequest\)\./);

  // The transcript beside it says all of that, and so do the decisions.
  await page.waitFor(() => document.querySelectorAll('[data-testid="transcript-row"]').length >= 7, { why: "the rows, as they happened" });
  await press(page, '[data-testid="open-decisions"]');
  await page.waitFor(() => document.querySelector('[data-testid="decision"]')?.textContent.includes("badRequest"), { why: "the decisions" });
  assert.deepEqual(await page.violations(), []);
});

atPanel("op_f7_another_browser_is_told_since_when_and_comes_in_after_the_owners_logout", async ({ engine, page, daemon, t }) => {
  const other = await launch(engine);
  t.after(() => other.close());
  const second = await other.newPage();
  await openPanel(second, await daemon.open());
  await shown(second, '[data-testid="sign-in"]', "a form, as long as nobody has it");
  await signIn(page);
  // Told without a reload, and nothing but the time.
  const told = await shown(second, '[data-testid="in-use"]', "that it is in use");
  assert.match(told, /^Another browser has the gateway since \d\d:\d\d:\d\d, for \d+ s\./);
  const card = await shown(second, '[data-testid="gateway"]');
  assert.ok(!card.includes("ada") && !card.includes("operator"), card);
  const state = await ok(second, "GET", "/api/operator/state");
  assert.deepEqual([state.owner.state, state.session, state.caps], ["inUse", null, []]);
  await press(page, '[data-testid="leave"]');
  await shown(second, '[data-testid="sign-in"]', "the form, once it is free");
  await signIn(second);
  await shown(page, '[data-testid="in-use"]', "the first browser to hear of it");
});

atPanel("op_r4_polling_in_a_tab_that_is_hidden_or_that_nobody_touches_keeps_no_session_alive", async ({ page }) => {
  const idle = async () => Date.parse((await ok(page, "GET", "/api/state")).session.idleExpiresAt);
  const polls = async () => {
    const { rows } = await ok(page, "GET", "/api/operator/transcript/redacted");
    return rows.filter((row) => row.summary.startsWith("chat.poll")).length;
  };
  const onePollMore = async (than) => {
    for (let at = 0; (await polls()) <= than; at += 1) {
      assert.ok(at < 100, "a poll comes");
      await pause(100);
    }
  };
  const show = (state) =>
    page.evaluate((to) => {
      Object.defineProperty(document, "visibilityState", { value: to, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
  /** What is measured while nothing is asked: twice, and longer apart than the next poll. */
  const nothing = async (why) => {
    // What was under way is let come in.
    await pause(300);
    const [before, until] = [await polls(), await idle()];
    for (let at = 0; at < 3; at += 1) await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await pause(2_300);
    assert.equal(await polls(), before, why);
    // The same moment, but for the rounding of its text.
    assert.ok(Math.abs((await idle()) - until) < 5, `${why}, and the session ends when it would have ended`);
    return before;
  };
  await signIn(page);
  await give(page, '[data-cap="chat"]', { channel: "lobby", nickname: "ada" });
  await shown(page, '[data-testid="chat"]');
  await show("visible");
  await onePollMore(0);
  await show("hidden");
  const hidden = await nothing("nobody looks, and nothing is asked");
  await show("visible");
  await onePollMore(hidden);
  // Two minutes and more without a touch.
  await page.evaluate(() => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + 130_000;
  });
  const alone = await nothing("nobody is there, and nothing is asked");
  await page.press("Shift");
  await onePollMore(alone);
});

atPanel("two_consoles_talk_in_a_channel", async ({ engine, page, lab, t }) => {
  // Another house of its own at the same gateway.
  const away = await startOperator(t, { lab });
  const other = await launch(engine);
  t.after(() => other.close());
  const second = await other.newPage();
  await openPanel(second, away.launchUrl);
  await press(second, '[data-way="guest"]');
  await give(second, '[data-testid="sign-in"]', {});
  await shown(second, '[data-testid="gateway-session"]', "the guest's session");
  await signIn(page);
  for (const [at, nickname] of [[page, "ada"], [second, "ben"]]) {
    await give(at, '[data-cap="chat"]', { channel: "lobby", nickname });
    await shown(at, '[data-testid="chat"]');
  }
  await page.waitFor(() => document.querySelector('[data-testid="members"]')?.textContent === "ada, ben", { why: "the other to be there" });
  await second.type('[data-testid="say"]', "<b>hello</b> from ben");
  await second.press("Enter");
  await page.waitFor(() => [...document.querySelectorAll('[data-testid="line"]')].some((line) => line.textContent.endsWith("ben<b>hello</b> from ben")), { why: "what ben said" });
  await press(second, '[data-testid="part"]');
  await page.waitFor(() => document.querySelector('[data-testid="members"]')?.textContent === "ada", { why: "ben to be gone" });
});

atPanel("a_key_signs_in_in_two_steps_and_giving_up_frees_the_gateway", async ({ page, lab }) => {
  await press(page, '[data-way="publicKey"]');
  await give(page, '[data-testid="sign-in"]', { account: "grace" });
  await shown(page, '[data-testid="challenge"]', "the challenge");
  await press(page, '[data-testid="give-up"]');
  await shown(page, '[data-testid="sign-in"]', "the form again");
  assert.equal((await ok(page, "GET", "/api/operator/state")).owner.state, "free");
  await press(page, '[data-way="publicKey"]');
  await give(page, '[data-testid="sign-in"]', { account: "grace" });
  const challenge = await shown(page, '[data-testid="challenge"]', "another challenge");
  await give(page, '[data-testid="step"]', { answer: lab.sign(challenge) });
  assert.match(await shown(page, '[data-testid="gateway-session"]', "the session"), /Signed in asgrace.*Provenby a key/);
});

atPanel("op_r5_more_time_is_asked_for_with_the_password_again_and_said_in_words_where_there_is_none", async ({ page }) => {
  const form = '[data-testid="ask-more-time"]';
  const left = () => page.evaluate(() => [...document.querySelectorAll('[data-testid="gateway-session"] dt')].find((it) => it.textContent === "Time left").nextElementSibling.textContent);
  await signIn(page);
  const before = await left();
  await press(page, '[data-testid="more-time"]');
  assert.match(await shown(page, form), /^The gateway asks for your password again: so it knows that it is you/);
  await give(page, form, { minutes: "2" });
  await page.waitFor((it) => document.querySelector(`${it} .wrong`)?.textContent === "This is needed." && document.activeElement?.dataset.field === "proof", { args: [form], why: "the password that is missing" });
  await give(page, form, { minutes: "2", proof: "hunter2-wrong" });
  assert.match(await shown(page, `${form} [data-testid="trouble"]`), /^The session was not given more time\. .*\(authenticationDenied\)/);
  await pause(1_100);
  await give(page, form, { minutes: "2", proof: RIGHT.password });
  await page.waitFor((it) => document.querySelector(it) === null, { args: [form], why: "the form to go once it is given" });
  assert.notEqual(await left(), before);
  assert.match(await left(), /^(2 min|1 min|\d+ s)/);
  await press(page, '[data-testid="leave"]');
  // Whoever proved nothing is asked for nothing, and is given no more time.
  await shown(page, '[data-way="guest"]');
  await press(page, '[data-way="guest"]');
  await give(page, '[data-testid="sign-in"]', {});
  await shown(page, '[data-testid="more-time"]');
  await press(page, '[data-testid="more-time"]');
  assert.equal(await page.evaluate((it) => document.querySelectorAll(`${it} input`).length, form), 1);
  await give(page, form, { minutes: "2" });
  const why = await shown(page, `${form} [data-testid="trouble"]`, "why not");
  assert.match(why, /\(methodDenied\)\.It gives none to who signed in like this\. Sign in again once the session is over\./);
  await shown(page, '[data-testid="gateway-session"]', "the session all the same");
});

atPanel("op_r6_more_time_by_a_key_is_signed_for_and_the_new_end_is_seen", async ({ page, daemon, lab }) => {
  const [form, step] = ['[data-testid="ask-more-time"]', '[data-testid="ask-more-time"] [data-testid="step"]'];
  const ends = async () => Date.parse((await ok(page, "GET", "/api/operator/state")).session.expiresAt);
  const left = () => page.evaluate(() => [...document.querySelectorAll('[data-testid="gateway-session"] dt')].find((it) => it.textContent === "Time left").nextElementSibling.textContent);
  const set = () => shown(page, `${step} [data-testid="challenge"]`, "what is to be signed");
  const none = (selector, why) => page.waitFor((it) => document.querySelector(it) === null, { args: [selector], why });
  await press(page, '[data-way="publicKey"]');
  await give(page, '[data-testid="sign-in"]', { account: "grace" });
  const entry = await shown(page, '[data-testid="challenge"]', "the challenge of the sign-in");
  await give(page, '[data-testid="step"]', { answer: lab.sign(entry) });
  await shown(page, '[data-testid="gateway-session"]', "the session");
  const before = await ends();

  await press(page, '[data-testid="more-time"]');
  assert.match(await shown(page, form), /^The gateway sets something to sign, as it did when you signed in/);
  await give(page, form, { minutes: "2" });
  const first = await set();
  await page.waitFor((it) => document.activeElement === document.querySelector(`${it} [data-field="answer"]`), { args: [step], why: "the focus to be where the signature goes" });
  // Given up, it is asked for anew.
  await press(page, `${step} [data-testid="give-up"]`);
  await none(form, "the form to go");
  assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), "more-time");
  await press(page, '[data-testid="more-time"]');
  await give(page, form, { minutes: "2" });
  const second = await set();
  assert.notEqual(second, first);
  assert.match(Buffer.from(second, "base64").toString("latin1"), /^doorward gateway: more time for a session\n/);
  // What was signed before is a wrong answer, told where the form is again.
  await give(page, step, { answer: lab.sign(entry) });
  assert.match(await shown(page, `${form} [data-testid="trouble"]`), /^The session was not given more time\. .*\(authenticationDenied\)/);
  await none(step, "the step to be gone with its only answer");
  await page.waitFor((it) => document.activeElement === document.querySelector(`${it} [data-field="minutes"]`), { args: [form], why: "the focus to be where it is asked again" });
  assert.equal(await ends(), before);
  await pause(1_100);

  await give(page, form, { minutes: "2" });
  await set();
  // Kept over a reload, as the session is.
  await page.goto(`${daemon.control}/`);
  await toPanel(page);
  await give(page, step, { answer: lab.sign(await set()) });
  await none(form, "the form to go once it is given");
  assert.match(await left(), /^(2 min|1 min|\d+ s)/);
  assert.notEqual(await ends(), before);
  const told = await shown(page, '[data-testid="transcript"]');
  for (const words of ["given up", "the next step", "authenticationDenied"]) assert.ok(told.includes(words), told);
  assert.deepEqual(await page.violations(), []);
});

atPanel("op_f4_a_gateway_that_is_gone_ends_the_session_in_words_and_another_can_be_chosen", async ({ page, lab }) => {
  await signIn(page);
  await lab.kill();
  assert.match(await shown(page, '[data-testid="ended"]', "the end in words"), /^The session on the gateway is over: the gateway ended it\./);
  await give(page, '[data-testid="sign-in"]', RIGHT);
  assert.match(await shown(page, '[data-testid="gateway"] [data-testid="trouble"]', "why not"), /cannot be reached.*\(upstreamDisconnected\)/);
  await press(page, '[data-gateway="spare"]');
  await page.waitFor(() => document.querySelector("#gateway")?.textContent.startsWith("spare"), { why: "the other gateway" });
  await signIn(page);
  assert.equal(await page.evaluate(() => document.querySelector('[data-testid="health"]') !== null), true);
  await page.waitFor(() => ["up", "degraded"].includes(document.querySelector('[data-testid="health"]')?.dataset.health), { why: "how it is" });
  // Turning away ends the session, and is asked about.
  await press(page, '[data-gateway="lab"]');
  assert.match(await shown(page, '[data-testid="confirm"]'), /You are signed out of spare first\./);
  await press(page, '[data-testid="confirm-yes"]');
  await shown(page, '[data-testid="sign-in"]', "the form of the other");
  assert.equal((await ok(page, "GET", "/api/operator/state")).owner.state, "free");
  // Nobody is told of an end that was asked for.
  assert.equal(await page.evaluate(() => document.querySelector('[data-testid="ended"]')), null);
}, { more: ["spare"] });

/** Says in a file what it was given and who it is, and goes on until it is stopped. */
const bell = (at) => `
[service.bell]
label = "The bell"
summary = "Rings until it is stopped."
command = ["/bin/sh", "-c", 'echo "$TONE,$LOUD,$$" >> "$0"; exec sleep 100', ${JSON.stringify(at("rung"))}]
grant.tone = { label = "Its tone", variable = "TONE", value = "low", required = true }
grant.loud = { label = "Loud", variable = "LOUD", value = "very" }
grant.long = { label = "Long", variable = "LONG", value = "1" }

[service.gone]
label = "Gone"
command = ["/nonexistent/program"]
`;

atPanel("op_m1_a_service_is_probed_then_launched_and_runs_once_until_it_is_stopped", async ({ browser, page, lab, t }) => {
  const [card, gone] = ['[data-profile="bell"]', '[data-profile="gone"]'];
  const [told, start] = [`${card} [data-testid="launch-told"]`, `${card} [data-testid="launch"]`];
  const says = (at, words) => at.waitFor((it, text) => document.querySelector(it)?.textContent === text, { args: [told, words], why: `"${words}"` });
  const has = (at, selector) => at.evaluate((it) => document.querySelector(it) !== null, selector);
  const probe = (at, what = card) => press(at, `${what} [data-testid="probe"]`);
  const rung = async () => (await readFile(lab.at("rung"), "utf8")).trim().split("\n").map((line) => line.split(","));
  const runs = (pid) => existsSync(`/proc/${pid}`);

  await signIn(page);
  assert.equal(await shown(page, card, "the launch profile"), "The bellbellstoppedProbeRings until it is stopped.");
  assert.match(await shown(page, gone), /cannot be launched: missing/);
  // Nothing is launched that was not probed, nor what cannot be.
  assert.equal(await has(page, '[data-testid="launch"]'), false);
  await probe(page, gone);
  await shown(page, `${gone} [data-testid="launch-told"]`, "what became of the probe");
  assert.equal(await has(page, '[data-testid="launch"]'), false);
  await probe(page);
  await says(page, "stopped It can be started.");
  const boxes = await page.evaluate((it) => [...document.querySelectorAll(`${it} label`)].map((label) => [label.textContent.trim(), label.control.checked, label.control.disabled]), card);
  assert.deepEqual(boxes, [
    ["Long", false, false],
    ["Loud", false, false],
    ["Its tone needed", true, true],
  ]);
  assert.equal(existsSync(lab.at("rung")), false, "a probe starts nothing");

  // Another house finds it stopped as well, and will come late.
  const away = await startOperator(t, { lab });
  const second = await browser.newPage();
  await openPanel(second, away.launchUrl);
  await signIn(second);
  await shown(second, card, "the launch profile over there");
  await probe(second);
  await says(second, "stopped It can be started.");

  await page.evaluate((it) => [...document.querySelectorAll(`${it} label`)].find((label) => label.textContent.includes("Loud")).click(), card);
  await press(page, start);
  await says(page, "running It runs. It was given loud, tone.");
  await page.waitFor((it) => document.querySelector(it) === null, { args: [start], why: "nothing to launch any more" });
  await until(() => existsSync(lab.at("rung")), 10_000, "the service to run");
  const [[tone, loud, first]] = await rung();
  assert.deepEqual([tone, loud, runs(first)], ["low", "very", true]);

  await press(second, start);
  await says(second, "running It runs.");
  assert.equal((await rung()).length, 1, "it runs once");

  // Whoever may, stops it, and is asked first; the card follows by itself.
  await call(page, "runner", "stop", { profile: "bell" });
  assert.match(await shown(page, '[data-testid="confirm"]'), /^Stop\?Service runner \(runner\) · Profile: bell This cannot be undone\./);
  assert.equal(runs(first), true, "a question stops nothing");
  await press(page, '[data-testid="confirm-yes"]');
  await page.waitFor((it) => document.querySelector(it)?.textContent.startsWith("The bellbellstoppedProbe"), { args: [card], why: "the card to say that it stopped" });
  await until(() => !runs(first), 10_000, "the service to end");

  // Another launch starts another one, with what is needed alone.
  await probe(page);
  await says(page, "stopped It can be started.");
  await press(page, start);
  await says(page, "running It runs. It was given tone.");
  await until(async () => (await rung()).length === 2, 10_000, "the service to run again");
  const [, [, silent, next]] = await rung();
  assert.deepEqual([silent, runs(next), next !== first], ["", true, true]);
  // It goes on after a sign-out, for whoever comes next.
  await press(page, '[data-testid="leave"]');
  await signIn(page);
  await page.waitFor((it) => document.querySelector(it)?.textContent.startsWith("The bellbellrunningProbe"), { args: [card], why: "that it still runs" });
  await call(page, "runner", "stop", { profile: "bell" });
  await shown(page, '[data-testid="confirm"]');
  await press(page, '[data-testid="confirm-yes"]');
  await until(() => !runs(next), 10_000, "the service to end");
  assert.deepEqual(await page.violations(), []);
}, { accounts: bell });

atPanel("op_l3_the_transcript_is_saved_as_text_and_as_json", async ({ page, t }) => {
  await signIn(page);
  await call(page, "system", "motd");
  await shown(page, result("system", "motd"));
  const folder = await page.downloads(t);
  await press(page, '[data-testid="save-text"]');
  const text = await folder.file("transcript.txt");
  assert.match(text, /\n\S+ {2}call {2}ok {2}system\.motd\n$/);
  await press(page, '[data-testid="save-json"]');
  const { rows } = JSON.parse(await folder.file("transcript.json"));
  assert.equal(rows.at(-1).summary, "system.motd");
  assert.ok(!text.includes("hunter2") && !JSON.stringify(rows).includes("hunter2"));
}, { engines: ["chromium"] });

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

atPanel(
  "the_operator_panel_has_no_accessibility_findings",
  async ({ page, lab }) => {
    const look = async (where) => {
      for (const scheme of ["light", "dark"]) {
        await page.scheme(scheme);
        for (const width of [1280, 400]) {
          await page.size(width, 800);
          await page.evaluate(axe);
          const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations.map((v) => ({ id: v.id, where: v.nodes.map((n) => n.target.join(" ")) }))));
          assert.deepEqual(found, [], `${where} in ${scheme} at ${width}`);
          const wide = await page.evaluate(() => document.querySelector("main").scrollWidth - document.querySelector("main").clientWidth);
          assert.ok(wide <= 0, `${where} is ${wide} px too wide at ${width}`);
        }
      }
    };
    await press(page, '[data-way="publicKey"]');
    await give(page, '[data-testid="sign-in"]', { account: "grace" });
    await give(page, '[data-testid="step"]', { answer: lab.sign(await shown(page, '[data-testid="challenge"]')) });
    await shown(page, '[data-testid="more-time"]');
    await press(page, '[data-testid="more-time"]');
    await give(page, '[data-testid="ask-more-time"]', { minutes: "9" });
    await shown(page, '[data-testid="challenge"]');
    await look("a step for more time");
    await press(page, '[data-testid="leave"]');
    await give(page, '[data-testid="sign-in"]', { account: "ada", password: "hunter2-wrong" });
    await shown(page, '[data-testid="trouble"]');
    await look("a denial");
    await signIn(page);
    await call(page, "log", "read", { cursor: "", most: "9" });
    await call(page, "notes", "put", { name: "a", text: "b" });
    await call(page, "system", "status");
    await call(page, "system", "motd");
    await give(page, '[data-cap="chat"]', { channel: "lobby", nickname: "ada" });
    await shown(page, '[data-testid="chat"]');
    await press(page, '[data-testid="more-time"]');
    await press(page, '[data-testid="open-decisions"]');
    await page.waitFor(() => document.querySelectorAll('[data-testid="result"]').length === 4 && document.querySelector('[data-testid="decision"]') !== null, { why: "all results" });
    await look("a session");
    await call(page, "notes", "delete", { name: "a" });
    await shown(page, '[data-testid="confirm"]');
    await look("a question");
  },
  { engines: ["chromium"] },
);
