// A page on another loopback port, in the same profile that holds our cookie: same site, so the browser sends the
// cookie along, and still it gets nothing and changes nothing.

import assert from "node:assert/strict";
import { api, enter, ok, refusals, state } from "./lib/console.js";
import { plain } from "./lib/daemon.js";
import { inConsole } from "./lib/visit.js";

/** The state once the console has listed its first source, which mints what it shows. */
async function settled(page) {
  for (let tries = 0; tries < 200; tries += 1) {
    const now = await state(page);
    if (now.grants > 0) return now;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return assert.fail("the console never listed its first source");
}

inConsole("t13_another_loopback_port_gets_nothing", async ({ engine, browser, page, daemon, foreign }) => {
  const before = { refused: await refusals(page), state: await settled(page) };
  const stranger = await browser.newPage();
  foreign.page("/", "<!doctype html><title>next door</title><body></body>");
  await stranger.goto(`${foreign.origin}/`);
  const got = await stranger.evaluate(attack, daemon.control);
  for (const [how, outcome] of Object.entries(got)) assert.match(outcome, /^(refused|opaque|silent)/, how);

  const sent = Object.keys(got).length;
  const after = await page.waitFor(countRefused, { args: [before.refused.total + sent], why: `${sent} refusals on record` });
  assert.ok(after, "refusals were counted");
  assert.deepEqual(await state(page), before.state);
  const through = stranger.answers().filter((a) => a.url.startsWith(daemon.control) && a.status < 400);
  assert.deepEqual(through, [], engine);
});

inConsole("t39_a_form_from_next_door_changes_nothing", async ({ browser, page, daemon, foreign }) => {
  const before = { refused: await refusals(page), state: await settled(page) };
  const forms = [
    ["/api/session/revoke", "text/plain", '{"a":"', '"}'],
    ["/api/session/revoke", "application/x-www-form-urlencoded", "a", "b"],
    ["/api/grants", "multipart/form-data", "sources", "x"],
    ["/api/session/claim", "text/plain", '{"ticket":"', '"}'],
  ];
  for (const [path, type, name, value] of forms) {
    foreign.page("/form", `<!doctype html><form method="post" action="${daemon.control}${path}" enctype="${type}"><input name='${name}' value='${value}'></form>`);
    const stranger = await browser.newPage();
    await stranger.goto(`${foreign.origin}/form`);
    await stranger.evaluate(() => {
      setTimeout(() => document.forms[0].submit());
    });
    await stranger.waitFor((from) => !location.href.startsWith(from) || document.forms.length === 0, { args: [foreign.origin], why: "the form to leave" });
    const answers = stranger.answers().filter((a) => a.method === "POST");
    assert.deepEqual(answers.filter((a) => a.status < 400), []);
    await stranger.close();
  }
  assert.ok(await page.waitFor(countRefused, { args: [before.refused.total + forms.length], why: "each form refused" }));
  assert.deepEqual(await state(page), before.state);
});

inConsole("t46_a_cookie_without_the_tab_proof_is_worth_nothing", async ({ browser, page, daemon, foreign }) => {
  const stranger = await browser.newPage();
  await stranger.goto(`${foreign.origin}/take`);
  // Cookies ignore ports, so the server next door is handed ours. That is the browser, not a fault of the daemon.
  const cookie = foreign.visits.find((v) => v.url === "/take")?.headers.cookie ?? "";
  assert.match(cookie, new RegExp(`doorward_${daemon.port}=`));
  const manners = { cookie, "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty" };
  const read = await plain(daemon.control, { path: "/api/state", headers: manners });
  assert.equal(read.status, 401, read.text);
  assert.equal(read.json.denial, "tabProofRequired");
  const change = await plain(daemon.control, {
    method: "POST",
    path: "/api/session/revoke",
    headers: { ...manners, origin: daemon.control, "content-type": "application/json" },
    body: "{}",
  });
  assert.equal(change.status, 401, change.text);
  assert.equal((await api(page, "GET", "/api/state")).status, 200, "the session goes on");
});

inConsole("t42_a_cookie_planted_from_next_door_opens_nothing", async ({ browser, page, daemon, foreign }) => {
  const forged = "A".repeat(43);
  foreign.page("/plant", "<!doctype html>", { headers: { "set-cookie": `doorward_${daemon.port}=${forged}; Path=/; Max-Age=600` } });
  const stranger = await browser.newPage();
  await stranger.goto(`${foreign.origin}/plant`);
  const now = await api(page, "GET", "/api/state");
  assert.ok(now.status === 200 || now.status === 401 || now.status === 400, `${now.status}`);
  // A new launch signs in under an id that the daemon made, whatever was planted.
  const again = await browser.newPage();
  await enter(again, await daemon.open());
  assert.equal((await api(again, "GET", "/api/state")).status, 200);
  const [ours] = (await browser.cookies(`${daemon.control}/`)).filter((c) => c.name === `doorward_${daemon.port}`);
  assert.notEqual(ours.value, forged);
});

inConsole(
  "t20_a_rebound_name_is_refused_everywhere",
  async ({ browser, page, daemon }) => {
    for (const origin of [daemon.control, daemon.content]) {
      const { port } = new URL(origin);
      for (const path of ["/", "/healthz", "/api/state", "/m/x", "/assets/console.js"]) {
        const tab = await browser.newPage();
        const status = await tab.goto(`http://evil.test:${port}${path}`);
        assert.equal(status, 403, `${origin}${path}`);
        assert.match(await tab.evaluate(() => document.body.innerText), /hostNotAllowed/, `${origin}${path}`);
        await tab.close();
      }
    }
    // The name resolves and the daemon is there: only the name is wrong.
    assert.equal(await (await browser.newPage()).goto(`${daemon.control}/healthz`), 200);
    await ok(page, "GET", "/api/state");
  },
  { engines: ["chromium"], args: { chromium: { args: ["--host-resolver-rules=MAP evil.test 127.0.0.1"] } } },
);

/** Runs in the console's page: true once at least this many refusals are on record. */
async function countRefused(least) {
  const { proof } = JSON.parse(sessionStorage.getItem("doorward.keys"));
  const answer = await fetch("/api/routes", { headers: { "x-doorward-proof": proof }, cache: "no-store" });
  const { listeners } = await answer.json();
  const counts = listeners.flatMap((l) => l.surfaces).flatMap((s) => s.refused);
  return counts.reduce((sum, { count }) => sum + count, 0) >= least;
}

/** Runs next door. Every value starts with `refused`, `opaque` or `silent`, unless something was let in. */
async function attack(control) {
  const read = async (path, init) => {
    try {
      const answer = await fetch(control + path, { credentials: "include", ...init });
      if (answer.type === "opaque") return "opaque";
      return `read ${answer.status} ${(await answer.text()).slice(0, 80)}`;
    } catch (cause) {
      return `refused: ${cause.message}`;
    }
  };
  const load = (element) =>
    new Promise((resolve) => {
      const take = element.tagName === "IFRAME" ? "silent: an iframe loads its own error page" : "loaded";
      element.onload = () => resolve(take);
      element.onerror = () => resolve("refused");
      setTimeout(() => resolve("silent"), 4_000);
      document.body.append(element);
    });
  const element = (name, attributes) => Object.assign(document.createElement(name), attributes);
  const json = { "content-type": "application/json" };
  return {
    "GET with credentials": await read("/api/state"),
    "GET no-cors": await read("/api/state", { mode: "no-cors" }),
    "GET sources no-cors": await read("/api/sources", { mode: "no-cors" }),
    "POST json": await read("/api/grants", { method: "POST", headers: json, body: "{}" }),
    "POST with a made-up proof": await read("/api/session/revoke", { method: "POST", headers: { ...json, "x-doorward-proof": "x", "x-csrf-token": "x" }, body: "{}" }),
    "POST no-cors": await read("/api/session/revoke", { method: "POST", mode: "no-cors", body: "{}" }),
    "POST claim no-cors": await read("/api/session/claim", { method: "POST", mode: "no-cors", body: '{"ticket":"x"}' }),
    "DELETE": await read("/api/grants/g_x", { method: "DELETE" }),
    "image of the API": await load(element("img", { src: `${control}/api/state` })),
    "script of the API": await load(element("script", { src: `${control}/api/sources` })),
    "script of the console": await load(element("script", { src: `${control}/assets/console.js` })),
    "the console framed": await load(element("iframe", { src: `${control}/` })),
    "event source": await new Promise((resolve) => {
      const events = new EventSource(`${control}/api/events`, { withCredentials: true });
      events.onopen = () => resolve("opened");
      events.onerror = () => {
        events.close();
        resolve("refused");
      };
    }),
    "web socket": await new Promise((resolve) => {
      const socket = new WebSocket(`${control.replace("http", "ws")}/api/events`);
      socket.onopen = () => resolve("opened");
      socket.onerror = () => resolve("refused");
    }),
  };
}
