// Signing in to a gateway in the three engines: the cookie that comes with it replaces the one before, and the page
// goes on under its own policy. Then the panel at a real machine and a real database.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { api, enter, ok } from "./lib/console.js";
import { startDaemon } from "./lib/daemon.js";
import { inEngines } from "./lib/engines.js";
import { call, give, openPanel, operation, press, shown, signIn, startOperator } from "./lib/gateway.js";
import { needsDaemon } from "./lib/places.js";
import { needsPostgres, startPostgres } from "./lib/postgres.js";
import { needsSshd, startSshd } from "./lib/sshd.js";

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

const result = (cap, name) => `${operation(cap, name)} [data-testid="result"]`;

/** A capability's names and values as they are shown. */
const facts = (page, at) => page.evaluate((it) => Object.fromEntries([...document.querySelectorAll(`${it} dt`)].map((name) => [name.textContent, name.nextElementSibling.innerText])), at);

const COMMANDS = (at) => `
[[gateway.command]]
name = "say"
effect = "read"
label = "Say it"
run = ["sh", "-c", 'printf "%s\\n" "$@"; echo "  careful" >&2; exit 3', "sh", "{loud}", "{word}", "{times}"]
field = [
  { name = "word", label = "Word", kind = "choice", choices = ["it's", "<b>bold</b>"] },
  { name = "times", label = "Times", kind = "number", least = 1, most = 9 },
  { name = "loud", label = "Loudly", kind = "flag", word = "--loud" },
]

[[gateway.launch]]
profile = "bell"
label = "The bell"
probe = ["test", "-e", ${JSON.stringify(at("rung"))}]
start = ["touch", ${JSON.stringify(at("rung"))}]
`;

inEngines(
  "op_m1_a_machine_is_signed_in_to_by_key_and_prompt_and_runs_a_command_and_a_launch",
  async ({ page, t }) => {
    const sshd = await startSshd(t);
    const daemon = await startOperator(t, { box: { ...sshd, entry: sshd.entry + COMMANDS(sshd.at) } });
    await openPanel(page, daemon.launchUrl);
    await press(page, '[data-way="publicKey"]');
    assert.match(await shown(page, '[data-testid="sign-in"]'), /doorward signs with the key that its configuration names\./);
    await give(page, '[data-testid="sign-in"]', { account: sshd.account });
    // The server's own question, said once, and hidden while it is answered.
    assert.equal(await shown(page, '[data-testid="step"]', "the prompt"), "Password:Go onGive up");
    assert.equal(await page.evaluate(() => document.querySelector('[data-testid="step"] input').type), "password");
    await give(page, '[data-testid="step"]', { answer: sshd.password });
    const session = await shown(page, '[data-testid="gateway-session"]', "the session");
    assert.match(session, /Signed in asada.*Provenby a key.*A session on a machine gets no more time\. Sign in again once it is over\./);
    assert.equal(await page.evaluate(() => document.querySelector('[data-testid="more-time"]')), null);

    await call(page, "commands", "say", { word: "<b>bold</b>", times: "7", loud: true });
    await shown(page, result("commands", "say"));
    // Lines are lines, and markup is text.
    assert.deepEqual(await facts(page, result("commands", "say")), { exit: "3", output: "--loud\n<b>bold</b>\n7\n", errors: "  careful\n" });

    const card = '[data-profile="bell"]';
    const says = (word) => page.waitFor((it, text) => document.querySelector(`${it} [data-testid="launch-told"]`)?.textContent.startsWith(text), { args: [card, word], why: word });
    await shown(page, card, "the launch profile");
    await press(page, `${card} [data-testid="probe"]`);
    await says("stopped");
    assert.equal(existsSync(sshd.at("rung")), false, "a probe starts nothing");
    await press(page, `${card} [data-testid="launch"]`);
    await says("started");
    assert.equal(existsSync(sshd.at("rung")), true);
    await press(page, `${card} [data-testid="probe"]`);
    await says("running");
    assert.deepEqual(await page.violations(), []);
  },
  { engines: ["chromium"], needs: () => needsDaemon() ?? needsSshd() },
);

const SHOP = `
  CREATE TABLE orders (id int PRIMARY KEY, item text, paid boolean, total numeric(8,2));
  INSERT INTO orders VALUES (1, 'tea', true, 4.20), (2, '<i>cake</i>', false, 12.00), (3, NULL, true, 0.5),
    (4, '', true, 0.6), (5, 'NULL', true, 0.7);
  GRANT SELECT, DELETE ON orders TO ada;
`;

const STATEMENTS = `
[[gateway.statement]]
name = "orders"
label = "Orders"
sql = "select id, item, paid, total from orders where total >= $1 and paid = $2 order by id"
field = [{ name = "least", kind = "number", least = 0, most = 99 }, { name = "paid", kind = "flag" }]

[[gateway.statement]]
name = "drop"
label = "Drop an order"
effect = "destructive"
sql = "delete from orders where id = $1"
field = [{ name = "id", kind = "number", least = 1, most = 9 }]
`;

inEngines(
  "op_m1_a_database_is_signed_in_to_as_a_role_and_its_rows_are_a_table",
  async ({ page, t }) => {
    const server = await startPostgres(t, SHOP);
    const daemon = await startOperator(t, { shop: { ...server, entry: server.entry + STATEMENTS } });
    await openPanel(page, daemon.launchUrl);
    // A database has roles, and no profiles.
    const labels = await page.evaluate(() => [...document.querySelectorAll('[data-testid="sign-in"] label')].map((it) => it.textContent));
    assert.deepEqual(labels, ["Role", "Password"]);
    const session = await signIn(page, { account: server.account, password: server.password });
    assert.match(session, /Signed in asada.*Provenby a password.*A session on a database gets no more time\./);
    // Nor does it have services or anything to launch.
    assert.equal(await page.evaluate(() => document.querySelector('[data-testid="services"], [data-testid="launchers"]')), null);

    const rows = (name) => page.evaluate((it) => [...document.querySelectorAll(`${it} tr`)].map((row) => [...row.cells].map((cell) => cell.textContent)), result("statements", name));
    await call(page, "statements", "orders", { least: "0", paid: true });
    await shown(page, `${result("statements", "orders")} table`);
    assert.deepEqual(await rows("orders"), [
      ["id", "item", "paid", "total"],
      ["1", "tea", "true", "4.20"],
      ["3", "NULL", "true", "0.50"],
      ["4", "", "true", "0.60"],
      ["5", "NULL", "true", "0.70"],
    ]);
    // What has no value looks otherwise than the word for it.
    const item = (row) => page.evaluate((it, row) => document.querySelectorAll(`${it} tbody tr`)[row].cells[1].innerHTML, result("statements", "orders"), row);
    assert.deepEqual([await item(1), await item(3)], ['<em class="muted" title="No value">NULL</em>', "NULL"]);
    await call(page, "statements", "drop", { id: "3" });
    assert.match(await shown(page, '[data-testid="confirm"]'), /^Drop an order\?Statements \(statements\) · id: 3/);
    await press(page, '[data-testid="confirm-yes"]');
    await shown(page, result("statements", "drop"), "that it was done");
    await call(page, "statements", "orders", { least: "5", paid: true });
    await page.waitFor((it) => document.querySelector(it)?.textContent.startsWith("It gave no rows."), { args: [result("statements", "orders")], why: "no rows" });
    await call(page, "statements", "orders", { least: "0", paid: false });
    await shown(page, `${result("statements", "orders")} table`);
    assert.deepEqual((await rows("orders")).slice(1), [["2", "<i>cake</i>", "false", "12.00"]]);
    assert.deepEqual(await page.violations(), []);
  },
  { engines: ["chromium"], needs: () => needsDaemon() ?? needsPostgres() },
);
