// The media that the tests play: made once, by ffmpeg and by lib/pdf.js, and kept under the target folder.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { longPdf } from "./pdf.js";
import { target } from "./places.js";

const run = promisify(execFile);

// Raise it when a sample changes.
const EDITION = "2";

const PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-f", "lavfi", "-i", "sine=frequency=440", "-t", "20"];
const FILMS = {
  "clip.mp4": ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart"],
  "clip.webm": ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "25", "-c:a", "libopus"],
};

export const needsFfmpeg = () => (existsSync("/usr/bin/ffmpeg") ? null : "ffmpeg is not installed (Debian: ffmpeg)");

/** A folder with clip.mp4, clip.webm, picture.png, long.pdf and note.txt. */
export async function samples() {
  const folder = join(target(), "browser", `samples-${EDITION}`);
  if (existsSync(folder)) return folder;
  await mkdir(join(target(), "browser"), { recursive: true });
  const fresh = await mkdtemp(join(target(), "browser", "making-"));
  for (const [name, how] of Object.entries(FILMS)) {
    await run("ffmpeg", ["-nostdin", "-v", "error", ...PICTURE, ...how, join(fresh, name)]);
  }
  await run("ffmpeg", ["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x480", "-frames:v", "1", join(fresh, "picture.png")]);
  await writeFile(join(fresh, "long.pdf"), longPdf());
  await writeFile(join(fresh, "note.txt"), "A plain note.\n");
  // Another test process may have been quicker; either folder will do.
  await rename(fresh, folder).catch(() => rm(fresh, { recursive: true, force: true }));
  return folder;
}
