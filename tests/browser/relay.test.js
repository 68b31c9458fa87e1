// The Relay panel in the three engines: what is opened anywhere appears, what passes is counted while it passes, and a
// revoke in the panel closes the socket.

import assert from "node:assert/strict";
import { once } from "node:events";
import WebSocket, { WebSocketServer } from "ws";
import { inConsole } from "./lib/visit.js";

/** An upstream that says everything back, and asks whether its client is there. */
async function echo(t) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  t.after(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  server.on("connection", (socket) => {
    socket.on("message", (data, binary) => socket.send(data, { binary }));
    socket.on("error", () => {});
    socket.ping();
  });
  return `ws://127.0.0.1:${server.address().port}`;
}

inConsole("r27_the_panel_shows_what_passes_and_its_revoke_closes_the_socket", async ({ page, daemon, t }) => {
  const upstream = await echo(t);
  await page.evaluate(() => {
    location.hash = "#/relay";
  });
  await page.waitFor(() => document.querySelector('main [data-testid="empty"]') !== null, { why: "the empty panel" });
  const { stdout } = await daemon.command("relay", "add", upstream, "--allow-local", "--json");
  const { url, id } = JSON.parse(stdout);
  const card = `[data-relay="${id}"]`;
  await page.waitFor((it) => document.querySelector(it)?.textContent.includes("idle"), { args: [card], why: "what the command line opened" });

  const socket = new WebSocket(`${url}/rtc`);
  t.after(() => socket.terminate());
  await once(socket, "open");
  const text = "x".repeat(5_000);
  socket.send(text);
  const [said] = await once(socket, "message");
  assert.equal(said.toString(), text);
  await page.waitFor(
    (it) => {
      const shown = document.querySelector(it)?.textContent ?? "";
      return shown.includes("1 connection") && shown.includes("5.01 KB") && /\d ms to the page/.test(shown);
    },
    { args: [card], why: "bytes and round trip of a connection that is open" },
  );

  const closed = once(socket, "close");
  await page.evaluate((it) => document.querySelector(`${it} [data-testid="revoke-relay"]`).click(), card);
  const [code, reason] = await closed;
  assert.equal(code, 1008);
  assert.equal(reason.toString(), "revoked");
  await page.waitFor((it) => document.querySelector(it) === null, { args: [card], why: "the card to go" });
  assert.deepEqual(await page.violations(), []);
});

inConsole("r6_the_panel_opens_public_upstreams_with_tls_alone_and_tells_the_url_once", async ({ page, t }) => {
  const upstream = await echo(t);
  await page.evaluate(() => {
    location.hash = "#/relay";
  });
  const open = async (text) => {
    await page.waitFor(() => document.querySelector('[data-testid="open-upstream"]') !== null);
    await page.evaluate((value) => {
      const button = document.querySelector('[data-testid="open-upstream"]');
      if (button.getAttribute("aria-expanded") !== "true") button.click();
      const fill = () => {
        const field = document.querySelector("#new-upstream");
        if (!field) return setTimeout(fill, 20);
        field.value = value;
        field.closest(".add").querySelector("button").click();
      };
      fill();
    }, text);
  };
  await open(upstream);
  await page.waitFor(() => /not opened/.test(document.body.textContent), { why: "the refusal in words" });
  assert.equal(await page.evaluate(() => document.querySelectorAll('[data-testid="relay"]').length), 0);
  await open("wss://lk.example.com");
  await page.waitFor(() => document.querySelector('[data-testid="fresh-url"]')?.textContent.startsWith("ws://127.0.0.1:"), { why: "the URL" });
  const told = await page.evaluate(() => document.querySelector('[data-testid="fresh-url"]').textContent);
  assert.match(told, /^ws:\/\/127\.0\.0\.1:\d+\/r\/[A-Za-z0-9_-]{43}$/);
  await page.waitFor(() => document.querySelectorAll('[data-testid="relay"]').length === 1, { why: "its card" });
  assert.ok(!(await page.evaluate(() => document.querySelector('[data-testid="relay"]').outerHTML)).includes(told.slice(-43)));
});
