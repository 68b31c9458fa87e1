// Where things are in the work tree.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../..", import.meta.url));

export const target = () => process.env.CARGO_TARGET_DIR ?? join(root, "target");

/** The daemon's binary: DOORWARD_BIN, else the newest build in the target folder. */
export function doorwardBinary() {
  if (process.env.DOORWARD_BIN) return process.env.DOORWARD_BIN;
  return ["debug", "release"].map((profile) => join(target(), profile, "doorward")).find((path) => existsSync(path)) ?? null;
}

export const needsDaemon = () => {
  const binary = doorwardBinary();
  if (!binary) return "the doorward binary is not built (cargo build -p doorward-cli, or set DOORWARD_BIN)";
  return existsSync(binary) ? null : `${binary} does not exist (DOORWARD_BIN)`;
};
