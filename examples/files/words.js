// What the page says. Numbers and times as people read them.

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];

export function bytes(n) {
  if (!Number.isFinite(n)) return "–";
  let [unit, value] = [0, n];
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1_000;
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits).replace(/\.0$/, "")} ${UNITS[unit]}`;
}

export function when(iso) {
  const at = new Date(iso ?? NaN);
  if (Number.isNaN(at.getTime())) return "–";
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (at.toDateString() === new Date().toDateString()) return `today ${time}`;
  return at.toLocaleDateString([], { year: "numeric", month: "short", day: "numeric" });
}

export function span(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s left`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min left`;
  return `${Math.round(seconds / 3_600)} h left`;
}

export const count = (n, one, many = `${one}s`) => `${n.toLocaleString()} ${n === 1 ? one : many}`;

/** Of a link, what it leads to. */
export const isFolder = ({ kind, leadsTo }) => (leadsTo ?? kind) === "directory";
export const isFile = ({ kind, leadsTo }) => (leadsTo ?? kind) === "file";

/** What an entry is: the name of its drawing, and how it is shown. */
export function kindOf(entry) {
  const { mediaType, name } = entry;
  if (isFolder(entry)) return "folder";
  if (!isFile(entry)) return entry.kind === "symlink" ? "link" : "file";
  const [type, sub = ""] = (mediaType ?? "").split(";")[0].trim().split("/");
  if (["image", "video", "audio"].includes(type)) return type;
  if (sub === "pdf") return "pdf";
  if (type === "text" || /json|xml|yaml|toml|javascript/.test(sub)) return "text";
  if (/zip|tar|gzip|compressed|x-xz|x-7z/.test(sub)) return "box";
  return /\.(md|log|rs|ts|toml|ya?ml|ini|conf|csv)$/i.test(name) ? "text" : "file";
}

export const DRAWINGS = { pdf: "text" };

const KINDS = {
  folder: "Folder",
  link: "Link",
  image: "Picture",
  video: "Film",
  audio: "Sound",
  pdf: "PDF",
  text: "Text",
  box: "Archive",
  file: "File",
};
export const kindWords = (entry) => (entry.kind === "other" ? "Device or pipe" : KINDS[kindOf(entry)]);

/** How page and computer stand, and what to do. */
export const STATES = {
  unavailable: ["doorward does not answer on this computer.", "Start it with: doorward serve --companion --share Files=FOLDER:rw"],
  "permission-needed": ["Your browser asks before a page reaches this computer.", "Look again, and allow it. Once denied, only the site's settings bring it back."],
  unpaired: ["doorward is here, and does not know this page yet.", ""],
  pending: ["Compare, on both sides.", ""],
  paired: ["", ""],
  "repair-required": ["Your browser lost this page's key. Introduce the page again.", ""],
  "clock-skew": ["The clocks of page and computer differ.", "Set the clock right, then look again."],
  revoked: ["This computer forgot this page. Introduce it again to go on.", ""],
  "version-mismatch": ["doorward and this page speak different versions.", "Update the older one."],
};

const WHY = {
  pairingGone: "The request is over: denied, or out of time.",
  pairingBusy: "Another page is being asked about. Try again in a moment.",
  gestureNeeded: "Pages asked too often. Run: doorward pair allow",
  pairingOff: "This computer takes no new pages.",
  pairingNotNow: "Run: doorward pair allow",
  approvalUnavailable: "doorward has nowhere to ask you. Run it in a terminal, or with a desktop.",
  pairingNotKept: "The keyring did not keep the pairing. doorward pair list says why.",
  cancelled: "Stopped.",
  jobCancelled: "Stopped.",
  unavailable: "doorward does not answer. Is it running?",
  rightMissing: "This page may not do that here.",
  folderUnknown: "This folder is not shared with this page.",
  pathUnknown: "It is no longer there.",
  alreadyExists: "Something of that name is already there.",
  nameRefused: "That is not a name for a file on every computer.",
  rateLimited: "Too much at once. Try again in a moment.",
  unreadable: "The browser can no longer read that file: was it moved or changed?",
};

/** Why something did not work, in a sentence. */
export const explain = (cause) => WHY[cause?.code] ?? cause?.message ?? String(cause);
