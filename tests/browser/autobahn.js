// Autobahn's fuzzing client against an echo server, directly and through the relay: every verdict must be the same.
//
//   node autobahn.js [CASE...]     AUTOBAHN_PYTHON=python2.7  AUTOBAHN_SITE=folder with autobahntestsuite

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocketServer } from "ws";
import { keep } from "./lib/process.js";
import { startRelay } from "./lib/relay.js";

// Deflate is 216 cases of a thousand messages each, so that few of each kind stand for all.
const FEW = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.1.1", "9.2.2", "9.3.1", "9.5.1", "9.7.1", "10.*"];
for (const kind of [1, 2, 3, 4, 5]) FEW.push(`12.${kind}.1`, `12.${kind}.5`);
for (const kind of [1, 2, 3, 4, 5, 6, 7]) FEW.push(`13.${kind}.1`, `13.${kind}.6`);
const named = process.argv.slice(2);
const cases = named.length > 0 ? named : FEW;

const START = `
import site, sys
site.addsitedir(sys.argv.pop(1))
from autobahntestsuite.wstest import run
run()
`;

const echo = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: true, maxPayload: 64 << 20 });
echo.on("connection", (ws) => {
  // The fuzzing client breaks rules on purpose.
  ws.on("error", () => {});
  ws.on("message", (message, binary) => ws.send(message, { binary }));
});
await new Promise((resolve) => echo.once("listening", resolve));
const direct = `ws://127.0.0.1:${echo.address().port}`;
const relay = startRelay();
const { url: relayed } = await relay.grantAny("http://127.0.0.1:9", direct);
const folder = await mkdtemp(join(tmpdir(), "autobahn-"));

/** Verdicts of these cases, by case: directly, and through the relay. */
async function run(cases) {
  const outdir = join(folder, "reports");
  const servers = [{ agent: "direct", url: direct }, { agent: "relayed", url: `${relayed}/echo` }];
  const spec = join(folder, "spec.json");
  await writeFile(spec, JSON.stringify({ outdir, servers, cases, "exclude-cases": [], "exclude-agent-cases": {} }));
  const words = ["-c", START, process.env.AUTOBAHN_SITE, "--mode", "fuzzingclient", "--spec", spec];
  const child = keep(spawn(process.env.AUTOBAHN_PYTHON, words, { stdio: ["ignore", "pipe", "pipe"] }));
  child.ref();
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (log = (log + text).slice(-4_000)));
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`the fuzzing client ended with ${code}\n${log}`);
  const index = JSON.parse(await readFile(join(outdir, "index.json"), "utf8"));
  const verdict = (one) => one && `${one.behavior}, close ${one.behaviorClose}, ${one.remoteCloseCode}`;
  return new Map(Object.keys(index.direct).map((id) => [id, [verdict(index.direct[id]), verdict(index.relayed?.[id])]]));
}

const different = (verdicts) => [...verdicts].filter(([, [direct, relayed]]) => direct !== relayed);

try {
  const verdicts = await run(cases);
  let left = different(verdicts);
  // Some cases measure time: what differs is looked at once more.
  if (left.length > 0) left = different(await run(left.map(([id]) => id)));
  for (const [id, [direct, relayed]] of left) console.error(`${id}: ${direct} directly, ${relayed} through the relay`);
  const deflated = [...verdicts].filter(([id, [direct]]) => /^1[23]\./.test(id) && direct.startsWith("OK")).length;
  console.log(`${verdicts.size} cases, ${deflated} of them deflated; ${left.length} differ`);
  if (left.length > 0 || deflated === 0) process.exitCode = 1;
} finally {
  await relay.stop();
  for (const ws of echo.clients) ws.terminate();
  echo.close();
  await rm(folder, { recursive: true, force: true });
}
