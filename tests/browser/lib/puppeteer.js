// Chromium by the DevTools protocol and Firefox by WebDriver BiDi, both through puppeteer-core.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import { poll, watchViolations } from "./browser.js";
import { until } from "./process.js";

const CHROMIUM_ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--no-first-run",
  "--no-proxy-server",
  "--mute-audio",
  "--autoplay-policy=no-user-gesture-required",
  "--force-color-profile=srgb",
];

const FIREFOX_PREFS = {
  "network.proxy.type": 0,
  "media.autoplay.default": 0,
  "media.volume_scale": "0.0",
  "browser.download.always_ask_before_handling_new_types": false,
  "security.sandbox.content.level": 0,
};

export async function chromium({ binary, args = [] }) {
  const inner = await puppeteer.launch({
    browser: "chrome",
    executablePath: binary,
    headless: true,
    args: [...CHROMIUM_ARGS, ...args],
    defaultViewport: { width: 1280, height: 800 },
  });
  return new PuppeteerBrowser("chromium", inner);
}

export async function firefox({ binary, prefs = {} }) {
  const inner = await puppeteer.launch({
    browser: "firefox",
    executablePath: binary,
    headless: true,
    extraPrefsFirefox: { ...FIREFOX_PREFS, ...prefs },
    defaultViewport: { width: 1280, height: 800 },
  });
  return new PuppeteerBrowser("firefox", inner);
}

class PuppeteerBrowser {
  #inner;

  constructor(engine, inner) {
    this.engine = engine;
    this.#inner = inner;
  }

  async newPage() {
    const inner = await this.#inner.newPage();
    await inner.evaluateOnNewDocument(watchViolations);
    return new PuppeteerPage(inner, this.engine);
  }

  async cookies(url) {
    const { hostname, pathname } = new URL(url);
    const all = await this.#inner.cookies();
    return all
      .filter((c) => c.domain === hostname && pathname.startsWith(c.path))
      .map((c) => ({ ...c, sameSite: capitalised(c.sameSite) }));
  }

  close() {
    return this.#inner.close();
  }
}

class PuppeteerPage {
  #inner;
  #engine;
  #answers = [];
  #complaints = [];
  #session = null;

  constructor(inner, engine) {
    this.#inner = inner;
    this.#engine = engine;
    inner.on("response", (r) => this.#answers.push({ status: r.status(), url: r.url(), method: r.request().method() }));
    inner.on("pageerror", (e) => this.#complaints.push(String(e)));
    inner.on("console", (m) => m.type() === "error" && this.#complaints.push(m.text()));
    // An alert would block every later command.
    inner.on("dialog", (d) => {
      this.#complaints.push(`dialog: ${d.message()}`);
      d.dismiss().catch(() => {});
    });
  }

  async goto(url) {
    try {
      const answer = await this.#inner.goto(url, { waitUntil: "load", timeout: 30_000 });
      return answer?.status() ?? null;
    } catch (cause) {
      // A download, or an answer the engine will not show (CSP, CORP), is no failure of the test body.
      if (/ERR_ABORTED|NS_BINDING_ABORTED|NS_ERROR_|ERR_BLOCKED_BY_|ERR_INVALID_RESPONSE|ERR_HTTP_RESPONSE_CODE_FAILURE|net::ERR_/.test(String(cause))) return null;
      throw cause;
    }
  }

  evaluate(what, ...args) {
    return this.#inner.evaluate(what, ...args);
  }

  waitFor(what, options) {
    return poll(this, what, options);
  }

  click(selector) {
    return this.#inner.click(selector);
  }

  type(selector, text) {
    return this.#inner.type(selector, text);
  }

  press(key) {
    return this.#inner.keyboard.press(key);
  }

  async screenshot(path) {
    await this.#inner.bringToFront();
    await this.#inner.screenshot({ path });
  }

  size(width, height) {
    return this.#inner.setViewport({ width, height });
  }

  async scheme(scheme) {
    if (this.#engine !== "chromium") throw new Error(`${this.#engine} cannot be told a colour scheme`);
    await this.#inner.emulateMediaFeatures([
      { name: "prefers-color-scheme", value: scheme },
      { name: "prefers-reduced-motion", value: "reduce" },
    ]);
  }

  async url() {
    return this.#inner.url();
  }

  violations() {
    return this.evaluate(() => window.__violations ?? []);
  }

  answers() {
    return [...this.#answers];
  }

  complaints() {
    return [...this.#complaints];
  }

  /** Chromium only: what its user said to a permission, `granted`, `denied` or `prompt`. */
  async permission(name, setting) {
    // It lasts as long as the session.
    this.#session ??= await this.#inner.createCDPSession();
    const { origin } = new URL(this.#inner.url());
    await this.#session.send("Browser.setPermission", { permission: { name }, setting, origin });
  }

  /** Chromium only: files and folders of this machine, dragged over the middle of an element and dropped. */
  async drop(selector, files) {
    this.#session ??= await this.#inner.createCDPSession();
    const place = await this.#inner.$eval(selector, (element) => {
      const { x, y, width, height } = element.getBoundingClientRect();
      return { x: x + width / 2, y: y + height / 2 };
    });
    const data = { items: [], files, dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) await this.#session.send("Input.dispatchDragEvent", { type, ...place, data });
  }

  /** Chromium only: a folder for what this browser saves from now on. `file` waits for one, and reads it. */
  async downloads(t) {
    const folder = await mkdtemp(join(tmpdir(), "dw-downloads-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    this.#session ??= await this.#inner.createCDPSession();
    await this.#session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: folder });
    const read = (name) => readFile(join(folder, name), "utf8").catch(() => "");
    return {
      file: async (name) => {
        await until(async () => (await read(name)) !== "", 10_000, `${name} to be saved`);
        return read(name);
      },
    };
  }

  close() {
    return this.#inner.close();
  }
}

const capitalised = (text) => (text ? text[0].toUpperCase() + text.slice(1).toLowerCase() : "");
