// Playback that something gets in the way of: a URL that ends or is renewed meanwhile, a store that stalls, breaks off
// or refuses, players that stand still and hold every connection.

import assert from "node:assert/strict";
import { cp, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { enter, firstSource, mint, ok, preview } from "./lib/console.js";
import { startDaemon } from "./lib/daemon.js";
import { inEngines } from "./lib/engines.js";
import { startForeign } from "./lib/foreign.js";
import { needsDaemon } from "./lib/places.js";
import { pause } from "./lib/process.js";
import { needsFfmpeg, samples } from "./lib/samples.js";
import { startStore } from "./lib/store.js";

const ENGINES = ["chromium", "firefox"];
// Its table of contents comes first: a film that has it last cannot start while its end is held back.
const FILM = "clip.mp4";
/** Of 20 s and some 2.1 MB: less than half of it, so that playing on needs more from the store. */
const HELD_AT = 900_000;
const PLAYER = '[data-testid="preview"] video';

/** A test with a console whose only source is a scripted store. */
function inStore(name, body, options = {}) {
  inEngines(
    name,
    async (context) => {
      const { page, t } = context;
      const store = await startStore(await samples());
      t.after(() => store.stop());
      const foreign = await startForeign();
      t.after(() => foreign.stop());
      const daemon = await startDaemon({ sources: [store.source], env: store.env });
      t.after(() => daemon.stop());
      await enter(page, daemon.launchUrl);
      const source = await firstSource(page);
      await page.waitFor(() => document.querySelectorAll('[data-testid="entry"]').length >= 5, { why: "the bucket's entries" });
      await body({ ...context, store, foreign, daemon, source });
    },
    { engines: ENGINES, needs: () => needsDaemon() ?? needsFfmpeg(), ...options },
  );
}

inStore("m41_playback_goes_on_across_a_renewal_past_its_first_end", async ({ browser, page, foreign, daemon, source, store }) => {
  store.heldAt = HELD_AT;
  const { url, id, ends } = await shortLived(daemon, page, source, 6);
  const bare = await browser.newPage();
  foreign.page("/film", `<!doctype html><title>film</title><video crossorigin="anonymous" muted playsinline preload="auto" src="${url}"></video>`);
  await bare.goto(`${foreign.origin}/film`);
  await bare.evaluate(() => document.querySelector("video").play());
  await ok(page, "POST", `/api/grants/${id}/renew`, {});
  await pause(Math.max(0, ends - Date.now()) + 1_500);
  store.release();
  const time = await reaches(bare, "video", 12);
  assert.ok(time >= 12);
  assert.equal(await bare.evaluate(() => document.querySelector("video").error), null);
});

inStore("m41_console_renews_what_it_plays", async ({ page, daemon, source, store }) => {
  store.heldAt = HELD_AT;
  const { ends } = await listedWith(page, daemon, source, 8);
  await play(page, source);
  await page.waitFor(() => window.renewals > 0, { timeout: 20_000, why: "the console to renew" });
  await pause(Math.max(0, ends - Date.now()) + 1_500);
  store.release();
  await reaches(page, PLAYER, 12);
  assert.equal(await page.evaluate(() => document.querySelector('[data-testid="no-url"], [data-testid="trouble"]')), null);
});

inStore("m41_expiry_ends_the_stream_and_the_console_says_so", async ({ page, daemon, source, store }) => {
  store.heldAt = HELD_AT;
  await listedWith(page, daemon, source, 5, { renewable: false });
  await play(page, source);
  await reaches(page, PLAYER, 1);
  const said = await page.waitFor(() => document.querySelector('[data-testid="preview"] [data-testid="no-url"]')?.textContent, { timeout: 20_000, why: "the console to say that the URL ended" });
  assert.match(said, /time .* ran out/);
  const tried = await page.evaluate(() => window.renewals);
  assert.ok(tried <= 3, `${tried} renewals that were refused`);
  // A new URL goes on where the old one ended.
  store.release();
  const before = store.asked.length;
  await page.evaluate(() => document.querySelector('[data-testid="no-url"] button').click());
  await page.waitFor((selector) => document.querySelector(selector)?.currentTime >= 1, { args: [PLAYER], why: "the film to go on where it was" });
  assert.ok(store.asked.length > before);
});

inStore("m41_revoking_ends_the_stream_and_the_console_says_so", async ({ page, source, store }) => {
  store.heldAt = HELD_AT;
  await play(page, source);
  await reaches(page, PLAYER, 1);
  await page.evaluate(() => [...document.querySelectorAll('[data-testid="preview"] .btn.bad')].at(0).click());
  const said = await page.waitFor(() => document.querySelector('[data-testid="preview"] [data-testid="no-url"]')?.textContent, { why: "the console to say that the URL was revoked" });
  assert.match(said, /revoked/);
  store.release();
});

inStore("m22_a_store_that_stalls_delays_only_its_own_stream", async ({ page, source, store }) => {
  store.heldAt = HELD_AT;
  await play(page, source);
  await reaches(page, PLAYER, 3);
  await page.evaluate((selector) => {
    document.querySelector(selector).currentTime = 15;
  }, PLAYER);
  // It waits, without an error, and others are served meanwhile.
  const note = await mint(page, source, "note.txt");
  assert.equal(await page.evaluate((url) => fetch(url).then((a) => a.text()), note.url), "A plain note.\n");
  assert.equal(await page.evaluate(() => document.querySelector('[data-testid="trouble"]')), null);
  store.release();
  await reaches(page, PLAYER, 15.5);
});

inStore("m23_a_store_that_breaks_off_is_picked_up_where_it_was", async ({ page, source, store }) => {
  store.cutAt = HELD_AT;
  store.cuts = 2;
  await play(page, source);
  await reaches(page, PLAYER, 1);
  await page.evaluate((selector) => {
    document.querySelector(selector).currentTime = 14;
  }, PLAYER);
  await reaches(page, PLAYER, 14.5);
  assert.equal(store.cuts, 0);
});

inStore("m35_credentials_that_run_out_mid_stream_are_named_and_not_asked_for_ever", async ({ page, source, store }) => {
  store.heldAt = HELD_AT;
  await play(page, source);
  await reaches(page, PLAYER, 1);
  store.refusal = "ExpiredToken";
  store.release();
  await page.evaluate((selector) => {
    document.querySelector(selector).currentTime = 18;
  }, PLAYER);
  const said = await page.waitFor(() => document.querySelector('[data-testid="preview"] [data-testid="trouble"]')?.textContent, { timeout: 60_000, why: "the console to say why" });
  assert.match(said, /credential|expired/i);
  const asked = store.asked.length;
  assert.ok(asked < 60, `${asked} requests to the store`);
  await pause(4_000);
  assert.equal(store.asked.length, asked, "nobody goes on asking");
}, { timeout: 180_000 });

// Closing one of the six from our side frees nothing: browsers do not look at a connection that they do not read. The
// seventh comes through another port. (Chromium lets go of paused players by itself, after some 15 s.)
inEngines(
  "m25_six_players_that_stand_still_do_not_keep_a_seventh_out",
  async ({ browser, page, t }) => {
    const folder = await mkdtemp(join(tmpdir(), "dw-long-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    for (let i = 0; i < 6; i += 1) await longSound(join(folder, `long-${i}.wav`));
    await cp(join(await samples(), "picture.png"), join(folder, "picture.png"));
    const foreign = await startForeign();
    t.after(() => foreign.stop());
    const daemon = await startDaemon({ sources: [folder] });
    t.after(() => daemon.stop());
    await enter(page, daemon.launchUrl);
    const source = await firstSource(page);
    await page.waitFor(() => document.querySelectorAll('[data-testid="entry"]').length === 7, { why: "the folder" });
    const urls = [];
    for (let i = 0; i < 6; i += 1) urls.push((await mint(page, source, `long-${i}.wav`)).url);
    foreign.page("/six", `<!doctype html><title>six</title>${urls.map((url) => `<audio preload="auto" muted src="${url}"></audio>`).join("")}`);
    const bare = await browser.newPage();
    await bare.goto(`${foreign.origin}/six`);
    await bare.evaluate(async () => {
      for (const player of document.querySelectorAll("audio")) {
        await player.play();
        player.pause();
      }
    });
    await page.waitFor((n) => [...document.querySelectorAll('[data-testid="live-row"]')].filter((row) => Number(row.dataset.streams) > 0).length >= n, { args: [3], why: "the players' streams under Live URLs" });
    await preview(page, source, "picture.png");
    await page.waitFor(() => document.querySelector('[data-testid="preview"] img')?.naturalWidth === 640, { timeout: 8_000, why: "the seventh" });
    const from = await page.evaluate(() => new URL(document.querySelector('[data-testid="preview"] img').src).origin);
    assert.notEqual(from, daemon.content, "the six hold every connection to the first port");
    // Their own URLs stay what they are, and the seventh's too.
    const copied = await mint(page, source, "picture.png");
    assert.ok(copied.url.startsWith(`${daemon.content}/m/`));
  },
  { engines: ENGINES, needs: () => needsDaemon() ?? needsFfmpeg() },
);

/** Half an hour of silence: more than a browser reads ahead. All of it but its head is a hole in the file. */
async function longSound(path) {
  const rate = 176_400;
  const length = rate * 1_800;
  const head = Buffer.alloc(44);
  head.write("RIFF");
  head.writeUInt32LE(36 + length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(2, 22);
  head.writeUInt32LE(44_100, 24);
  head.writeUInt32LE(rate, 28);
  head.writeUInt16LE(4, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36);
  head.writeUInt32LE(length, 40);
  const file = await open(path, "w");
  await file.write(head);
  await file.truncate(44 + length);
  await file.close();
}

/** A URL that ends soon, made as a person at a terminal would. */
async function shortLived(daemon, page, source, seconds) {
  const { stdout } = await daemon.command("url", `${source}:${FILM}`, "--life", `${seconds}s`, "--json");
  const ends = Date.now() + seconds * 1_000;
  const said = JSON.parse(stdout);
  const { url, id } = said.grants?.[0] ?? said;
  return { url, id, ends };
}

/** Gives the console's listing a URL that ends soon, and counts how often the console renews it. */
async function listedWith(page, daemon, source, seconds, { renewable = true } = {}) {
  const made = await shortLived(daemon, page, source, seconds);
  await page.evaluate(
    (key, url, id, may) => {
      const real = window.fetch;
      window.renewals = 0;
      window.fetch = async (to, init) => {
        const path = String(to);
        if (path.endsWith("/renew")) {
          window.renewals += 1;
          if (!may) return new Response('{"denial":"notFound","message":"No."}', { status: 404 });
        }
        const answer = await real(to, init);
        if (!path.includes("/list?")) return answer;
        const listing = await answer.json();
        for (const entry of listing.entries) if (entry.key === key) Object.assign(entry, { url, grantId: id });
        return new Response(JSON.stringify(listing), { headers: { "content-type": "application/json" } });
      };
    },
    FILM,
    made.url,
    made.id,
    renewable,
  );
  await page.type("#search", "clip");
  await page.waitFor(() => document.querySelectorAll('[data-testid="entry"]').length === 2, { why: "the search" });
  return made;
}

async function play(page, source) {
  await preview(page, source, FILM);
  await page.waitFor((selector) => document.querySelector(selector)?.readyState >= 2, { args: [PLAYER], timeout: 30_000, why: "the player" });
  await page.evaluate((selector) => {
    const player = document.querySelector(selector);
    player.muted = true;
    return player.play();
  }, PLAYER);
}

/** Until the player has come to a time. */
function reaches(page, selector, time) {
  return page.waitFor(
    (which, at) => {
      const player = document.querySelector(which);
      if (player?.error) throw new Error(`error ${player.error.code}: ${player.error.message}`);
      return player?.currentTime >= at && player.currentTime;
    },
    { args: [selector, time], timeout: 25_000, why: `${time} s of the film` },
  );
}

inEngines(
  "urls_in_use_that_are_not_listed_are_counted_and_listed_on_demand",
  async ({ page, t }) => {
    const folder = await mkdtemp(join(tmpdir(), "dw-many-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, "note.bin"), "a note");
    const daemon = await startDaemon({ sources: [folder] });
    t.after(() => daemon.stop());
    await enter(page, daemon.launchUrl);
    const source = await firstSource(page);
    // One page of them, and two more. The console itself looks into no such file.
    for (const count of [500, 2]) {
      const { grants } = await ok(page, "POST", "/api/grants", { sources: Array(count).fill(`${source}:note.bin`), disposition: "inline" });
      for (const { url } of grants) assert.equal(await (await fetch(url)).text(), "a note");
    }
    await page.goto(`${daemon.control}/`);
    const says = (text) => page.waitFor((it) => document.querySelector('[data-testid="live"]')?.textContent.includes(it), { args: [text], why: text });
    await says("0 playing · 502 used");
    assert.equal(await page.evaluate(() => document.querySelector('[data-testid="unlisted"] span').textContent), "The newest 500 are listed. 2 older ones are in use, too.");
    await page.evaluate(() => document.querySelector('[data-testid="unlisted"] button').click());
    await says("Show all 502");
    assert.equal(await page.evaluate(() => document.querySelector('[data-testid="unlisted"]')), null);
    assert.deepEqual(await page.violations(), []);
  },
  { engines: ["chromium"], needs: needsDaemon },
);
