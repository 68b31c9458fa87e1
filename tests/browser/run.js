// Runs the test files with node's own runner, one file at a time: three browsers at once would starve each other.
//
//   node run.js                 every test
//   node run.js harness media   only files whose name contains one of the words
//   DOORWARD_ENGINES=webkit     only that engine        DOORWARD_BIN=path   another daemon

import { readdirSync } from "node:fs";
import { run } from "node:test";
import { spec } from "node:test/reporters";
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

const tests = run({ files, concurrency: 1, timeout: 900_000 });
tests.on("test:fail", () => {
  process.exitCode = 1;
});
tests.compose(new spec()).pipe(process.stdout);
