// The three engines: which are here, and one test in each of them.

import { existsSync, readdirSync } from "node:fs";
import test from "node:test";
import { chromium, firefox } from "./puppeteer.js";
import { webkit } from "./webdriver.js";

const ENGINES = {
  chromium: {
    needs: { binary: ["/usr/bin/chromium"] },
    launch: chromium,
    package: "chromium",
  },
  firefox: {
    needs: { binary: ["/usr/bin/firefox-esr", "/usr/bin/firefox"] },
    launch: firefox,
    package: "firefox-esr",
  },
  webkit: {
    needs: {
      driver: ["/usr/bin/WebKitWebDriver"],
      binary: libraries().map((folder) => `${folder}/webkit2gtk-4.1/MiniBrowser`),
      screen: ["/usr/bin/Xvfb"],
    },
    launch: webkit,
    package: "webkit2gtk-driver, xvfb",
  },
};

const wanted = (process.env.DOORWARD_ENGINES ?? Object.keys(ENGINES).join(",")).split(",");

/** Starts a browser with a fresh profile. */
export async function launch(name, options = {}) {
  const { found, missing } = look(name);
  if (missing) throw new Error(missing);
  return ENGINES[name].launch({ ...found, ...options });
}

/**
 * Registers one test per engine. The body gets a fresh browser with one page; it is closed afterwards.
 *
 * @param {string} name  starts with the id of the behaviour, `t48_...`
 * @param {(context: {engine: string, browser: import("./browser.js").Browser, page: import("./browser.js").Page, t: import("node:test").TestContext}) => Promise<void>} body
 */
export function inEngines(name, body, { engines = Object.keys(ENGINES), args = {}, timeout = 120_000, needs = () => null } = {}) {
  for (const engine of engines.filter((e) => wanted.includes(e))) {
    test(`${name} [${engine}]`, { timeout }, async (t) => {
      const absent = look(engine).missing ?? needs();
      if (absent) return missing(t, absent);
      const browser = await launch(engine, args[engine] ?? {});
      t.after(() => browser.close());
      const page = await browser.newPage();
      await body({ engine, browser, page, t });
    });
  }
}

/**
 * Registers one test for all engines at the same time: for what does nothing but wait, which three browsers can do
 * without starving each other.
 */
export function inEnginesAtOnce(name, body, { engines = Object.keys(ENGINES), timeout, needs = () => null }) {
  const here = engines.filter((e) => wanted.includes(e));
  test(name, { timeout, concurrency: here.length }, async (t) => {
    const each = (engine) =>
      t.test(`${name} [${engine}]`, { timeout }, async (t) => {
        const absent = look(engine).missing ?? needs();
        if (absent) return missing(t, absent);
        const browser = await launch(engine);
        t.after(() => browser.close());
        await body({ engine, browser, page: await browser.newPage(), t });
      });
    await Promise.all(here.map(each));
  });
}

/** A skip that says its reason; in CI nothing may be skipped. */
export function missing(t, reason) {
  if (process.env.CI) throw new Error(`skipped in CI: ${reason}`);
  t.skip(reason);
}

function look(name) {
  const engine = ENGINES[name];
  if (!engine) return { missing: `there is no engine called ${name}` };
  const found = {};
  for (const [what, places] of Object.entries(engine.needs)) {
    found[what] = places.find((place) => existsSync(place));
    if (!found[what]) return { missing: `${name} is not installed (Debian: ${engine.package})` };
  }
  return { found };
}

function libraries() {
  return ["/usr/lib", ...readdirSync("/usr/lib").filter((n) => n.endsWith("-linux-gnu")).map((n) => `/usr/lib/${n}`), "/usr/libexec"];
}
