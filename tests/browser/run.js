// Runs the test files with node's own runner, two files at a time: tests mostly wait, and more browsers would starve each other.
//
//   node run.js                 every test
//   node run.js harness media   only files whose name contains one of the words
//   DOORWARD_ENGINES=webkit     only that engine        DOORWARD_BIN=path   another daemon

import { readdirSync, statSync } from "node:fs";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const words = process.argv.slice(2);
const files = readdirSync(folder)
  .filter((name) => name.endsWith(".test.js"))
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .map((name) => folder + name);

if (files.length === 0) {
  console.error(`no test file is called like ${words.join(" or ")}`);
  process.exit(2);
}

// Browsers on a busy machine: a file that fails is run once more, alone, and said to be flaky if it passes then.
const again = [];
const queue = [...files].sort((one, other) => weight(other) - weight(one));
const lane = async () => {
  for (let file = queue.shift(); file; file = queue.shift()) if (!(await passes(file))) again.push(file);
};
await Promise.all([lane(), lane()]);
for (const file of again) {
  console.log(`\nonce more: ${basename(file)}`);
  const flaky = await passes(file);
  console.log(`${basename(file)} ${flaky ? "is FLAKY: it failed, then passed" : "FAILED twice"}`);
  if (!flaky) process.exitCode = 1;
}

/** The longest first, so that none is left alone at the end; how long a file is tells about as much as a clock. */
function weight(file) {
  return statSync(file).size;
}

/** Runs one file; whether all of its tests passed. */
async function passes(file) {
  let failures = 0;
  const tests = run({ files: [file], concurrency: 1, timeout: 900_000 });
  tests.on("test:fail", () => failures++);
  // Told at once when the file is through, so that two reports do not mix.
  const report = await tests.compose(new spec()).toArray();
  process.stdout.write(`\n${basename(file)}\n${report.join("")}`);
  return failures === 0;
}
