// The real livekit-client through the relay, to a stand-in that follows LiveKit's rules.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { inEngines } from "./lib/engines.js";
import { startForeign } from "./lib/foreign.js";
import { startLiveKit } from "./lib/livekit.js";
import { needsParticipant, startParticipant } from "./lib/participant.js";
import { playPeer } from "./lib/peer.js";
import { pause, until } from "./lib/process.js";
import { needsRelay, startRelay } from "./lib/relay.js";

const CLIENT = join(dirname(createRequire(import.meta.url).resolve("livekit-client")), "livekit-client.umd.js");
const SLACK = 30_000;

/** A page with livekit-client, a stand-in and a relay; `open` grants an upstream to the page. */
function inRoom(name, body, server = {}, how = {}) {
  inEngines(
    name,
    async ({ engine, page, t }) => {
      const site = await startForeign();
      t.after(() => site.stop());
      const relay = startRelay();
      t.after(() => relay.stop());
      const livekit = await startLiveKit(server);
      t.after(() => livekit.stop());
      site.file("/client.js", CLIENT, "text/javascript");
      site.page("/", `<!doctype html><title>call</title><script>(${countAsked})()</script><script src=client.js></script>`);
      await page.goto(`${site.origin}/`);
      await page.evaluate(playPeer, livekit.url);
      await page.evaluate(call);
      const open = (...upstreams) => relay.grant(site.origin, ...upstreams);
      const join = async (url, token, how) => page.evaluate((...words) => window.call(...words), url, token, how);
      await body({ engine, page, livekit, relay, open, join, t });
    },
    { engines: ["chromium", "firefox"], needs: needsRelay, ...how },
  );
}

/** Runs in the page, before the client: what is asked of the relay is in `asked`. */
function countAsked() {
  window.asked = [];
  const ours = (url) => String(url).includes("/r/");
  window.WebSocket = class extends WebSocket {
    constructor(url, ...more) {
      super(url, ...more);
      if (ours(url)) window.asked.push("WebSocket");
    }
  };
  const plain = window.fetch;
  window.fetch = (url, ...more) => {
    if (ours(url)) window.asked.push("fetch");
    return plain(url, ...more);
  };
}

/** Runs in the page: `call(url, token)` joins, and tells how that went; what happens later is in `heard`. */
function call() {
  window.heard = [];
  window.call = async (url, token, { json = false } = {}) => {
    const { Room, RoomEvent } = window.LivekitClient;
    const room = new Room();
    window.room = room;
    const note = (event) => room.on(event, (what) => window.heard.push({ event, what: String(what?.identity ?? what ?? "") }));
    [RoomEvent.SignalReconnecting, RoomEvent.Reconnecting, RoomEvent.Reconnected, RoomEvent.Disconnected, RoomEvent.ParticipantConnected].forEach(note);
    if (json) room.engine.client.useJSON = true;
    try {
      await room.connect(url, token, { peerConnectionTimeout: 30_000 });
      return { state: room.state, others: [...room.remoteParticipants.values()].map((one) => one.identity) };
    } catch (cause) {
      return { failed: cause.message, status: cause.status ?? null };
    }
  };
}

const heard = (page, event) => page.waitFor((wanted) => window.heard.some((one) => one.event === wanted), { args: [event], timeout: SLACK, why: event });

inRoom("r31_r10_a_client_joins_and_its_frames_are_deflated_end_to_end", async ({ engine, livekit, open, join, page }) => {
  const { url } = await open(livekit.url);
  assert.deepEqual(await join(url, livekit.token("ann")), { state: "connected", others: [] });
  const [upgrade] = livekit.upgrades();
  assert.equal(upgrade.pathname, "/rtc/v1");
  assert.match(livekit.participants.get("ann").extensions, /permessage-deflate/, engine);
  await page.evaluate(() => window.room.disconnect());
  await until(() => !livekit.participants.has("ann"), SLACK, "the client's Leave");
});

inRoom("r31_a_native_client_meets_the_page", async ({ livekit, open, join, page, t }) => {
  const { url } = await open(livekit.url);
  assert.equal((await join(url, livekit.token("ann"))).state, "connected");
  const bob = startParticipant(url, livekit.token("bob"));
  t.after(() => bob.stop());
  assert.equal(await bob.met, "ann");
  await heard(page, "participantConnected");
  assert.deepEqual(await page.evaluate(() => [...window.room.remoteParticipants.keys()]), ["bob"]);
  bob.leave();
  await until(() => !livekit.participants.has("bob"), SLACK, "the native client's Leave");
}, {}, {
  engines: ["chromium"],
  // The native client resolves no names that only a browser knows.
  args: { chromium: { args: ["--disable-features=WebRtcHideLocalIpsWithMdns"] } },
  needs: () => needsRelay() ?? needsParticipant(),
});

inRoom("r1_a_dead_grant_stops_the_client_after_two_requests", async ({ livekit, relay, open, join, page }) => {
  const { url, id } = await open(livekit.url);
  await relay.revoke(id);
  for (const dead of [url, url.replace(/\/r\/.*/, `/r/${"A".repeat(43)}`)]) {
    await page.evaluate(() => window.asked.splice(0));
    const answer = await join(dead, livekit.token("ann"));
    assert.equal(answer.status, 403, JSON.stringify(answer));
    // One that comes back does so within a second (measured with 404).
    await pause(3_000);
    assert.deepEqual(await page.evaluate(() => window.asked), ["WebSocket", "fetch"]);
  }
  assert.deepEqual(livekit.requests, []);
});

for (const status of [401, 403, 404, 500, 503]) {
  const text = status === 404 ? "requested room does not exist" : "the upstream's own words";
  inRoom(`r2_the_upstreams_${status}_is_to_the_client_what_it_is_without_the_relay`, async ({ livekit, open, join, page }) => {
    const { url } = await open(livekit.url);
    const answer = await join(url, livekit.token("ann"));
    const requests = livekit.requests.splice(0).map(({ upgrade, pathname }) => ({ upgrade, pathname }));
    assert.deepEqual(requests.slice(0, 2), [{ upgrade: true, pathname: "/rtc/v1" }, { upgrade: false, pathname: "/rtc/v1/validate" }]);
    assert.deepEqual(answer, await join(livekit.url, livekit.token("ann")));
    assert.equal(livekit.requests.length, requests.length);
    const validated = page.answers().filter((one) => one.url.includes("/validate"));
    assert.ok(validated.length > 0 && validated.every((one) => one.status === status), JSON.stringify(validated));
    // Of a server's own failures livekit-client keeps no status, with the relay or without.
    if (status >= 500) return;
    assert.equal(answer.status, status);
    assert.ok(answer.failed.endsWith(text), answer.failed);
    assert.equal(requests.length, 2);
  }, { status, text });
}

inRoom("r3_without_v1_the_client_falls_back_to_v0", async ({ livekit, open, join }) => {
  const { url } = await open(livekit.url);
  assert.equal((await join(url, livekit.token("ann"))).state, "connected");
  assert.deepEqual(livekit.requests.map((one) => one.pathname), ["/rtc/v1", "/rtc/v1/validate", "/rtc"]);
}, { paths: ["/rtc"] });

for (const [version, paths] of [["v1", ["/rtc/v1"]], ["v0", ["/rtc"]]]) {
  inRoom(`r21_r22_in_${version}_a_cut_wire_is_resumed_through_the_same_url_with_the_newer_token`, async ({ livekit, open, join, page }) => {
    const { url } = await open(livekit.url);
    const first = livekit.token("ann");
    assert.equal((await join(url, first)).state, "connected");
    const fresh = livekit.refresh("ann");
    await page.waitFor((wanted) => window.room.engine.token === wanted, { args: [fresh], timeout: SLACK, why: "the newer token" });
    const sid = livekit.participants.get("ann").sid;
    livekit.cut("ann");
    await heard(page, "reconnected");
    const person = livekit.participants.get("ann");
    assert.deepEqual([person.sid, person.resumes], [sid, 1], "resumed, not joined anew");
    const joins = livekit.upgrades().filter((one) => paths.includes(one.pathname));
    assert.deepEqual(joins.map((one) => one.query.get("access_token")), [first, fresh]);
    assert.equal(await page.evaluate(() => window.room.state), "connected");
  }, { paths });
}

inRoom("r21_a_server_that_asks_for_it_is_joined_anew_through_the_same_url", async ({ livekit, open, join, page }) => {
  const { url } = await open(livekit.url);
  assert.equal((await join(url, livekit.token("ann"))).state, "connected");
  const { sid } = livekit.participants.get("ann");
  livekit.leave("ann", "RECONNECT");
  await heard(page, "reconnected");
  const person = livekit.participants.get("ann");
  assert.notEqual(person.sid, sid);
  assert.equal(person.resumes, 0);
});

inRoom("r24_text_frames_pass_both_ways", async ({ livekit, open, join, page }) => {
  const { url } = await open(livekit.url);
  assert.equal((await join(url, livekit.token("ann"), { json: true })).state, "connected");
  await until(() => livekit.participants.get("ann").json, SLACK, "a text frame");
  const token = livekit.refresh("ann");
  await page.waitFor((wanted) => window.room.engine.token === wanted, { args: [token], timeout: SLACK, why: "an answer in text" });
});

inRoom("r23_a_region_that_is_down_makes_way_for_the_next", async ({ livekit, open, join }) => {
  const gone = await startLiveKit();
  gone.stop();
  const { url } = await open(gone.url, livekit.url);
  assert.equal((await join(url, livekit.token("ann"))).state, "connected");
});

inRoom("r27_a_revoke_ends_the_call_for_good", async ({ livekit, relay, open, join, page }) => {
  const { url, id } = await open(livekit.url);
  assert.equal((await join(url, livekit.token("ann"))).state, "connected");
  const before = livekit.requests.length;
  await relay.revoke(id);
  await heard(page, "disconnected");
  assert.equal(livekit.requests.length, before, "nothing more came through");
});
