// examples/files against a real daemon: the folders of a person in a page, as far as the person allowed.

import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FIRST_SECOND, startCompanion, startCompanionIn, startFiles } from "./lib/companion.js";
import { inEngines } from "./lib/engines.js";
import { needsKeyring, startKeyring } from "./lib/keyring.js";
import { needsDaemon } from "./lib/places.js";
import { freePort, pause, until } from "./lib/process.js";
import { needsFfmpeg, samples } from "./lib/samples.js";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SAMPLES = ["picture.png", "clip.webm", "note.txt", "long.pdf"];

/** A shared folder `Files`, another called `Notes` that may only be looked at, and one that no page asks for. */
async function folders(t) {
  const base = await mkdtemp(join(tmpdir(), "dw-files-"));
  t.after(() => rm(base, { recursive: true, force: true }));
  const [files, notes, secret] = ["files", "notes", "secret"].map((name) => join(base, name));
  for (const folder of [files, notes, secret, join(files, "Letters")]) await mkdir(folder);
  const from = await samples();
  for (const name of SAMPLES) await copyFile(join(from, name), join(files, name));
  await writeFile(join(notes, "only.txt"), "To look at.\n");
  await writeFile(join(secret, "hidden.txt"), "Not for pages.\n");
  const shares = [`Files=${files}:rwd`, `Notes=${notes}`, `Secret=${secret}:rwd`];
  return { files, notes, shares: shares.flatMap((share) => ["--share", share]) };
}

function inFiles(name, body, options = {}) {
  inEngines(
    name,
    async (context) => {
      const { page, t } = context;
      const places = await folders(t);
      const daemon = await startCompanion(t, ...places.shares);
      const site = await startFiles(t);
      await page.goto(`${site.origin}/?ports=${daemon.companionPort}&folders=Files,Notes`);
      await pairs(page, daemon);
      await body({ ...context, daemon, site, ...places });
      assert.deepEqual(await page.violations(), []);
    },
    { needs: () => needsDaemon() ?? needsFfmpeg(), ...options },
  );
}

/** The person asks, compares and approves, with the page's own buttons. */
async function pairs(page, daemon) {
  await page.waitFor(() => !document.getElementById("ask").hidden, { why: "the page to find the companion" });
  await page.click("#ask .main");
  const code = await page.waitFor(() => document.getElementById("code").value, { why: "the digits" });
  await pause(FIRST_SECOND);
  await daemon.pair("approve", "--code", code.replace(" ", ""));
  await page.click("#same");
  await page.waitFor(() => !document.getElementById("desk").hidden, { why: "the page to be paired" });
  await shows(page, "picture.png");
}

const shown = (page) => page.evaluate(() => [...document.querySelectorAll("#body [data-path]")].map((row) => row.dataset.path));
const shows = (page, path) =>
  page.waitFor((wanted) => [...document.querySelectorAll("#body [data-path]")].some((row) => row.dataset.path === wanted), {
    args: [path],
    why: `${path} to be listed`,
  });
const hides = (page, path) =>
  page.waitFor((wanted) => [...document.querySelectorAll("#body [data-path]")].every((row) => row.dataset.path !== wanted), {
    args: [path],
    why: `${path} to be listed no more`,
  });
const says = (page, id, words) =>
  page.waitFor((where, what) => (document.getElementById(where).textContent ?? "").includes(what), { args: [id, words], why: `#${id}: ${words}` });
const goes = (page, hash) =>
  page.evaluate((to) => {
    location.hash = to;
  }, hash);
const at = (path) => `#body [data-path="${path}"] .words`;
const press = async (page, path, key) => {
  // The list draws what is in sight anew after every change of its shape.
  await shows(page, path);
  await page.click(at(path));
  await page.evaluate(() => document.getElementById("list").focus());
  await page.press(key);
};
const live = (page) => page.waitFor(() => document.getElementById("live").textContent === "live", { why: "the folder to be watched" });

/** Runs in the page: files with these words, chosen as by the button. */
function chooses(list) {
  const given = new DataTransfer();
  for (const [name, words, times = 1] of list) given.items.add(new File([words.repeat(times)], name, { type: "text/plain" }));
  document.getElementById("files").files = given.files;
  document.getElementById("files").dispatchEvent(new Event("change"));
}

inFiles("t56_a_page_lists_and_previews_what_the_person_shared_and_nothing_else", async ({ page, daemon, site }) => {
  assert.deepEqual(await shown(page), ["Letters", "clip.webm", "long.pdf", "note.txt", "picture.png"]);
  await says(page, "folders", "Notes");
  assert.ok(!(await page.evaluate(() => document.getElementById("folders").textContent)).includes("Secret"));

  await press(page, "picture.png", "Enter");
  await page.waitFor(() => document.querySelector('[data-testid="picture"]')?.naturalWidth === 640, { why: "the picture" });
  await page.press("ArrowLeft");
  await page.waitFor(() => document.querySelector('[data-testid="text"]')?.textContent === "A plain note.\n", { why: "the text" });
  await page.press("Escape");
  await page.waitFor(() => !document.getElementById("sheet").open);
  await press(page, "clip.webm", "Enter");
  await page.waitFor(() => document.querySelector('[data-testid="video"]')?.readyState >= 2, { why: "the film", timeout: 30_000 });
  await page.press("Escape");

  // What may only be looked at cannot be written, whatever the page tries.
  await goes(page, "#/Notes");
  await shows(page, "only.txt");
  assert.equal(await page.evaluate(() => document.getElementById("upload").disabled), true);
  // A folder that exists and was not granted is unknown, as is one that does not exist.
  for (const name of ["Secret", "Nowhere"]) {
    await goes(page, `#/${name}`);
    await says(page, "said", `“${name}” is not shared with this page`);
  }
  const codes = await page.evaluate(async (port) => {
    const { connect } = await import("/doorward/index.js");
    const { drives } = await connect({ ports: [port] });
    const code = (work) => work.then(() => "done", (cause) => cause.code);
    return [
      await code(drives.list("Secret").page()),
      await code(drives.info("Files", "../secret/hidden.txt")),
      await code(drives.create("Notes", "new", "file")),
      await code(drives.url("Files", "Letters")),
      await code(drives.info("Files", "absent")),
    ];
  }, daemon.companionPort);
  assert.deepEqual(codes, ["folderUnknown", "pathRefused", "rightMissing", "notAFile", "pathUnknown"]);
  assert.equal(await page.url(), `${site.origin}/?ports=${daemon.companionPort}&folders=Files,Notes#/Nowhere`);
});

inFiles("files_go_up_with_progress_and_nothing_is_replaced_unasked", async ({ page, files }) => {
  await live(page);
  // Three chunks.
  await page.evaluate(chooses, [["long.txt", "0123456789abcdef", 1_200_000]]);
  await shows(page, "long.txt");
  await says(page, "transfers-sum", "all done");
  assert.equal((await stat(join(files, "long.txt"))).size, 19_200_000);

  await page.evaluate(chooses, [["note.txt", "Another note.\n"]]);
  await page.waitFor(() => document.getElementById("question").open, { why: "the conflict" });
  await says(page, "question", "14 B");
  await page.click("#question footer .main");
  await page.waitFor(() => !document.getElementById("question").open);
  await until(async () => (await readdir(files)).filter((name) => name.startsWith("note")).length === 2, 10_000, "both notes");
  assert.equal(await readFile(join(files, "note.txt"), "utf8"), "A plain note.\n");

  await page.evaluate(chooses, [["note.txt", "The last note.\n"]]);
  await page.waitFor(() => document.getElementById("question").open, { why: "the conflict" });
  await page.click("#question footer .bad");
  await until(async () => (await readFile(join(files, "note.txt"), "utf8")) === "The last note.\n", 10_000, "the note to be replaced");
});

inFiles("what_other_programs_do_shows_at_once_and_what_is_deleted_is_in_the_trash", async ({ page, daemon, files, site }) => {
  await live(page);
  await writeFile(join(files, "came.txt"), "From elsewhere.\n");
  await shows(page, "came.txt");
  await says(page, "news-list", "came.txt");
  await rename(join(files, "came.txt"), join(files, "moved.txt"));
  await shows(page, "moved.txt");
  await hides(page, "came.txt");

  await press(page, "moved.txt", "Delete");
  await hides(page, "moved.txt");
  await says(page, "toast", "trash");
  assert.deepEqual((await readdir(files)).includes("moved.txt"), false);
  assert.deepEqual(await readdir(join(daemon.home, "data/Trash/files")), ["moved.txt"]);

  // Renamed in place, copied into a folder, and there without asking again.
  await press(page, "note.txt", "F2");
  await page.waitFor(() => document.activeElement?.closest("[role=row]") !== null, { why: "the field" });
  await page.evaluate(() => {
    document.activeElement.value = "renamed.txt";
  });
  await page.press("Enter");
  await shows(page, "renamed.txt");
  await page.evaluate(() => document.querySelector('#picked [aria-label="Copy"]').click());
  await goes(page, "#/Files/Letters");
  await page.waitFor(() => document.getElementById("title").textContent === "Letters");
  await page.evaluate(() => document.querySelector('#picked [aria-label^="Paste"]').click());
  await shows(page, "Letters/renamed.txt");
  assert.equal(await readFile(join(files, "Letters/renamed.txt"), "utf8"), "A plain note.\n");

  await rm(join(files, "Letters"), { recursive: true });
  await says(page, "said", "It is no longer there");

  // Forgotten there, and the page hears of it.
  const { pairings } = await daemon.pair("list");
  assert.equal(pairings[0].origin, site.origin);
  await daemon.pair("forget", pairings[0].keyId ?? pairings[0].id);
  await says(page, "state", "forgot this page");
  assert.equal(await page.evaluate(() => document.getElementById("desk").hidden), true);
});

/** A quarter of 32 MiB, in numbers: the same in the page and here. */
const LONG = 2 * 1024 * 1024;
const words = () => Buffer.from(Uint32Array.from({ length: LONG }, (_, at) => Math.imul(at, 2_654_435_761)).buffer);

inEngines(
  "an_upload_outlives_a_companion_that_is_killed_and_goes_on_where_it_was",
  async ({ page, t }) => {
    const { files, shares } = await folders(t);
    const vault = await startKeyring(t);
    const port = String(await freePort());
    const site = await startFiles(t);
    const start = (home) => startCompanionIn(home, vault, "--companion-port", port, ...shares);
    let daemon = await start(null);
    t.after(() => daemon.stop());
    await page.goto(`${site.origin}/?ports=${port}&folders=Files,Notes`);
    await pairs(page, daemon);
    await page.evaluate(
      async (port, length) => {
        const { connect } = await import("/doorward/index.js");
        const { drives } = await connect({ ports: [port] });
        const bytes = Uint32Array.from({ length }, (_, at) => Math.imul(at, 2_654_435_761));
        window.told = [];
        const onProgress = ({ state, sent }) => {
          // Held there, or all of it might be over there before the companion is killed.
          if (sent > 0 && window.told.at(-1)?.sent === 0) window.upload.pause();
          window.told.push({ state, sent });
        };
        window.upload = drives.upload("Files", "long.bin", new Blob([bytes, bytes, bytes, bytes]), { onProgress });
      },
      Number(port),
      LONG,
    );
    await page.waitFor(() => window.told.at(-1).state === "paused", { why: "the first bytes to be there" });
    await daemon.kill();
    await page.evaluate(() => window.upload.resume());
    await page.waitFor(() => window.told.at(-1).state === "waiting", { why: "the page to notice" });
    // Nothing of what is not whole can be taken for the file.
    assert.ok(!(await readdir(files)).includes("long.bin"));
    daemon = await start(daemon.home);
    await page.waitFor(() => window.told.at(-1).state === "done", { timeout: 60_000, why: "the upload to go on" });
    const told = await page.evaluate(() => window.told);
    const before = told.slice(0, told.findIndex(({ state }) => state === "waiting")).at(-1).sent;
    const after = told.slice(told.findLastIndex(({ state }) => state === "waiting")).filter(({ state }) => state !== "waiting");
    assert.ok(before > 0 && after[0].sent >= before, JSON.stringify({ before, after: after[0] }));
    assert.deepEqual(await readFile(join(files, "long.bin")), Buffer.concat(Array.from({ length: 4 }, words)));
    assert.deepEqual((await readdir(files)).sort(), ["Letters", "clip.webm", "long.bin", "long.pdf", "note.txt", "picture.png"]);
  },
  { needs: () => needsDaemon() ?? needsFfmpeg() ?? needsKeyring() },
);

inFiles(
  "a_folder_that_is_dropped_goes_up_whole",
  async ({ page, files, t }) => {
    const from = await mkdtemp(join(tmpdir(), "dw-drop-"));
    t.after(() => rm(from, { recursive: true, force: true }));
    await mkdir(join(from, "Trip/Day 1"), { recursive: true });
    await writeFile(join(from, "Trip/plan.txt"), "Walk.\n");
    await writeFile(join(from, "Trip/Day 1/ä.txt"), "Walked.\n");
    await page.drop("#list", [join(from, "Trip")]);
    await shows(page, "Trip");
    await until(() => readFile(join(files, "Trip/Day 1/ä.txt"), "utf8").then((words) => words === "Walked.\n", () => false), 15_000, "the file in it");
    assert.equal(await readFile(join(files, "Trip/plan.txt"), "utf8"), "Walk.\n");
  },
  { engines: ["chromium"] },
);

inFiles(
  "ten_thousand_entries_are_drawn_few_at_a_time_and_searched_by_name",
  async ({ page, notes }) => {
    for (let n = 1; n <= 10_000; n += 500) await Promise.all(Array.from({ length: 500 }, (_, at) => writeFile(join(notes, `entry ${n + at}.txt`), "")));
    await goes(page, "#/Notes");
    await says(page, "foot", "10,001 entries");
    const drawn = await shown(page);
    assert.ok(drawn.length < 60, `${drawn.length} rows`);
    assert.deepEqual(drawn.slice(0, 3), ["entry 1.txt", "entry 2.txt", "entry 3.txt"]);
    await page.evaluate(() => document.getElementById("list").focus());
    for (let tries = 0; tries < 60 && !(await shown(page)).includes("only.txt"); tries++) {
      await page.press("End");
      await pause(200);
    }
    assert.ok((await shown(page)).includes("entry 10000.txt"));
    await page.type("#search", "999");
    await says(page, "foot", "19 matches");
  },
  { engines: ["chromium"] },
);

inFiles(
  "files_has_no_accessibility_findings",
  async ({ page }) => {
    const clean = async (what) => {
      await pause(300);
      await page.evaluate(axe);
      const found = await page.evaluate(() =>
        window.axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations.map((v) => ({ id: v.id, where: v.nodes.map((n) => n.target.join(" ")) }))),
      );
      assert.deepEqual(found, [], what);
    };
    for (const scheme of ["light", "dark"]) {
      await page.scheme(scheme);
      for (const width of [1280, 400]) {
        await page.size(width, 800);
        await shows(page, "picture.png");
        await page.click(at("picture.png"));
        await clean(`rows, ${scheme}, ${width}`);
        await page.click("#look");
        await clean(`tiles, ${scheme}, ${width}`);
        await page.click("#look");
        await press(page, "note.txt", "Enter");
        await page.waitFor(() => document.querySelector('[data-testid="text"]') !== null);
        await clean(`preview, ${scheme}, ${width}`);
        await page.press("Escape");
        await goes(page, "#/Secret");
        await says(page, "said", "not shared");
        await clean(`a folder that is not shared, ${scheme}, ${width}`);
        await goes(page, "#/Files");
        await shows(page, "picture.png");
      }
    }
  },
  { engines: ["chromium"] },
);
