// Runs the test files with node's own runner, one file at a time: three browsers at once would starve each other.
//
//   node run.js                 every test
//   node run.js harness media   only files whose name contains one of the words
//   DOORWARD_ENGINES=webkit     only that engine        DOORWARD_BIN=path   another daemon

import { readdirSync } from "node:fs";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { basename } from "node:path";
import { finished } from "node:stream/promises";
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

// Three browsers on a busy machine: a file that fails is run once more, alone, and said to be flaky if it passes then.
for (const file of files) {
  if (await passes(file)) continue;
  console.log(`\nonce more: ${basename(file)}`);
  const flaky = await passes(file);
  console.log(`${basename(file)} ${flaky ? "is FLAKY: it failed, then passed" : "FAILED twice"}`);
  if (!flaky) process.exitCode = 1;
}

/** Runs one file; whether all of its tests passed. */
async function passes(file) {
  let failures = 0;
  const tests = run({ files: [file], concurrency: 1, timeout: 900_000 });
  tests.on("test:fail", () => failures++);
  const report = tests.compose(new spec());
  report.pipe(process.stdout, { end: false });
  await finished(report);
  return failures === 0;
}
