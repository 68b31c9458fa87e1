// Real thumbnails without a thumbnail service: a picture made small, a video's early frame, a PDF's first page, a text's
// first lines. Only the small copy is kept, as a canvas: the console's policy has no `blob:`.
// Few at a time, newest wish first, and every connection given back at once: a browser has six for this origin.

import { playTime } from "../format";
import { live, state } from "../house";
import type { Entry } from "../wire";
import { onRecentLane } from "./lanes";

export interface Thumb {
  canvas: HTMLCanvasElement | null;
  text: string | null;
  /** Play time or pages. */
  note: string | null;
}

type Maker = (url: string, signal: AbortSignal) => Promise<Thumb>;

const AT_ONCE = 3;
const KEPT = 400;
const TEXT_BYTES = 1_200;
const PATIENCE_MS = 10_000;
const LARGEST_PDF = 256e6;
/** Larger pictures would cost more to fetch and decode than a small square is worth. */
const LARGEST_PICTURE = 24e6;
/** A video whose early frame costs more than this keeps its icon. Held against the stream's own reports. */
const LARGEST_STREAM = 12e6;
const WIDEST = 480;

const kept = new Map<string, Thumb | null>();
const waiting: (() => void)[] = [];
let running = 0;
let held = false;

/** Nothing new is begun while a preview is open. */
export function holdThumbs(hold: boolean): void {
  held = hold;
  next();
}

const nameOf = (source: string, entry: Entry): string =>
  `${source}:${entry.key}:${entry.size}:${entry.modifiedAt}`;

export function keptThumb(source: string, entry: Entry): Thumb | null | undefined {
  return kept.get(nameOf(source, entry));
}

/** Null where a thumbnail makes no sense or could not be made; the tile then shows its icon. */
export async function thumbOf(source: string, entry: Entry, signal: AbortSignal): Promise<Thumb | null> {
  const name = nameOf(source, entry);
  const known = kept.get(name);
  if (known !== undefined) return known;
  const make = makerFor(entry);
  if (!make || !entry.url || entry.size === 0) return null;
  const url = entry.url;
  await turn();
  try {
    if (signal.aborted) return null;
    const costly = meter(entry);
    const limits = AbortSignal.any([signal, costly.signal, AbortSignal.timeout(PATIENCE_MS)]);
    const reached = await onRecentLane(url, state.peek()?.lanes ?? []);
    const thumb = await make(reached, limits)
      .catch(() => null)
      .finally(costly.stop);
    if (!signal.aborted) keep(name, thumb);
    return thumb;
  } finally {
    running -= 1;
    next();
  }
}

function makerFor(entry: Entry): Maker | null {
  switch (entry.view) {
    case "image":
      return (entry.size ?? 0) <= LARGEST_PICTURE ? pictureOf : null;
    case "video":
      return frameOf;
    case "audio":
      return lengthOf;
    case "pdf":
      return (entry.size ?? 0) <= LARGEST_PDF ? pageOf : null;
    case "text":
    case "markdown":
    case "active":
      return linesOf;
    default:
      return null;
  }
}

/** Aborts what has cost too much, as the event stream tells it. */
function meter(entry: Entry): { signal: AbortSignal; stop: () => void } {
  const over = new AbortController();
  const bytes = (): number => live.peek().get(entry.grantId ?? "")?.bytes ?? 0;
  const before = bytes();
  const stop = live.subscribe(() => {
    if (bytes() - before > LARGEST_STREAM) over.abort(new Error("costs too much"));
  });
  return { signal: entry.view === "image" ? new AbortController().signal : over.signal, stop };
}

const pictureOf: Maker = async (url, signal) => {
  const image = new Image();
  image.crossOrigin = "anonymous";
  try {
    await new Promise<void>((done, fail) => {
      image.addEventListener("load", () => done(), { once: true });
      image.addEventListener("error", () => fail(new Error("not a picture")), { once: true });
      signal.addEventListener("abort", () => fail(signal.reason), { once: true });
      image.src = url;
    });
    const canvas = sized(image.naturalWidth, image.naturalHeight);
    const pen = canvas.getContext("2d");
    if (pen) pen.imageSmoothingQuality = "high";
    pen?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return { canvas, text: null, note: null };
  } finally {
    image.removeAttribute("src");
  }
};

const frameOf: Maker = (url, signal) =>
  withMedia("video", url, signal, async (media) => {
    const video = media as HTMLVideoElement;
    const note = time(video.duration);
    await new Promise<void>((done, fail) => {
      video.addEventListener("seeked", () => done(), { once: true });
      signal.addEventListener("abort", () => fail(signal.reason), { once: true });
      video.currentTime = Math.min(video.duration * 0.2 || 0, 10);
    });
    const canvas = sized(video.videoWidth, video.videoHeight);
    canvas.getContext("2d")?.drawImage(video, 0, 0, canvas.width, canvas.height);
    return { canvas, text: null, note };
  });

const lengthOf: Maker = (url, signal) =>
  withMedia("audio", url, signal, async (audio) => ({
    canvas: null,
    text: null,
    note: time(audio.duration),
  }));

async function withMedia(
  kind: "video" | "audio",
  url: string,
  signal: AbortSignal,
  use: (media: HTMLMediaElement) => Promise<Thumb>,
): Promise<Thumb> {
  const media = document.createElement(kind);
  media.crossOrigin = "anonymous";
  media.muted = true;
  media.preload = kind === "video" ? "auto" : "metadata";
  try {
    await new Promise<void>((done, fail) => {
      media.addEventListener(kind === "video" ? "loadeddata" : "loadedmetadata", () => done(), {
        once: true,
      });
      media.addEventListener("error", () => fail(new Error("not playable")), { once: true });
      signal.addEventListener("abort", () => fail(signal.reason), { once: true });
      media.src = url;
    });
    return await use(media);
  } finally {
    media.removeAttribute("src");
    media.load();
  }
}

const pageOf: Maker = async (url, signal) => {
  const { openPdf } = await import("../preview/pdfdoc");
  const pdf = await openPdf(url);
  try {
    if (signal.aborted) throw signal.reason;
    const canvas = document.createElement("canvas");
    await pdf.draw(1, canvas, 360, signal);
    return { canvas, text: null, note: `${pdf.pages} ${pdf.pages === 1 ? "page" : "pages"}` };
  } finally {
    pdf.close();
  }
};

const linesOf: Maker = async (url, signal) => {
  const range = `bytes=0-${TEXT_BYTES - 1}`;
  const answer = await fetch(url, { headers: { range }, credentials: "omit", cache: "no-store", signal });
  if (!answer.ok) throw new Error("refused");
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (reader && text.length < TEXT_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  await reader?.cancel();
  return { canvas: null, text: text.slice(0, TEXT_BYTES), note: null };
};

function sized(width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  const scale = Math.min(1, WIDEST / Math.max(1, width));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  return canvas;
}

const time = (seconds: number): string | null => (Number.isFinite(seconds) ? playTime(seconds) : null);

const turn = (): Promise<void> =>
  new Promise((start) => {
    waiting.push(start);
    next();
  });

/** The newest wish first: it is what the person looks at now. */
function next(): void {
  while (running < AT_ONCE && !held) {
    const start = waiting.pop();
    if (!start) return;
    running += 1;
    start();
  }
}

function keep(name: string, thumb: Thumb | null): void {
  kept.set(name, thumb);
  const oldest = kept.size > KEPT ? kept.keys().next().value : undefined;
  if (oldest !== undefined) kept.delete(oldest);
}
