// Small pictures of pictures and films. Only the small copy is kept; the connection is given back at once, because
// a browser has six for this computer.

import { kindOf } from "./words.js";

const AT_ONCE = 3;
const KEPT = 400;
const WIDEST = 480;
/** Larger ones cost more to decode than a small square is worth. */
const LARGEST_PICTURE = 30e6;
const PATIENCE = 15_000;
/** URLs that are wanted within as many milliseconds are asked for in one request. */
const TOGETHER = 30;

/** @returns `thumbOf(folder, entry)`: a promise of a canvas, or of `null` where there is none. */
export function thumbs(drives) {
  const kept = new Map();
  const waiting = [];
  let running = 0;
  let wanted = [];

  /** Whoever asks in the same moment shares a request. */
  const urlOf = (folder, entry) =>
    new Promise((resolve, reject) => {
      wanted.push({ folder, entry, resolve, reject });
      if (wanted.length === 1) setTimeout(ask, TOGETHER);
    });
  const ask = () => {
    const asked = grouped(wanted);
    wanted = [];
    for (const [folder, list] of asked) {
      drives.urls(folder, list.map(({ entry }) => entry)).then(
        (urls) => list.forEach(({ resolve, reject }, at) => (urls[at] ? resolve(urls[at]) : reject(new Error("no URL")))),
        (cause) => list.forEach(({ reject }) => reject(cause)),
      );
    }
  };

  const next = () => {
    while (running < AT_ONCE && waiting.length > 0) {
      // The newest wish first: it is what the person looks at now.
      const make = waiting.pop();
      running += 1;
      make().finally(() => {
        running -= 1;
        next();
      });
    }
  };

  return (folder, entry) => {
    const kind = kindOf(entry);
    const small = kind === "image" ? entry.size <= LARGEST_PICTURE : kind === "video";
    if (!small || !entry.size) return null;
    const name = JSON.stringify([folder, entry.path, entry.etag ?? entry.modifiedAt]);
    if (kept.has(name)) return kept.get(name);
    const made = new Promise((resolve) => {
      waiting.push(async () => {
        try {
          const url = await urlOf(folder, entry);
          const patience = AbortSignal.timeout(PATIENCE);
          resolve(await (kind === "image" ? pictureOf(url, patience) : frameOf(url, patience)));
        } catch {
          kept.delete(name);
          resolve(null);
        }
      });
      next();
    });
    kept.set(name, made);
    if (kept.size > KEPT) kept.delete(kept.keys().next().value);
    return made;
  };
}

async function pictureOf(url, patience) {
  const image = new Image();
  image.crossOrigin = "anonymous";
  const loaded = heard(image, "load", patience);
  image.src = url;
  try {
    await loaded;
    return drawn(image, image.naturalWidth, image.naturalHeight);
  } finally {
    image.removeAttribute("src");
  }
}

async function frameOf(url, patience) {
  const film = document.createElement("video");
  Object.assign(film, { crossOrigin: "anonymous", muted: true, preload: "auto", src: url });
  try {
    await heard(film, "loadeddata", patience);
    film.currentTime = Math.min(film.duration * 0.2 || 0, 10);
    await heard(film, "seeked", patience);
    return drawn(film, film.videoWidth, film.videoHeight);
  } finally {
    film.removeAttribute("src");
    film.load();
  }
}

const heard = (media, event, patience) =>
  new Promise((resolve, reject) => {
    media.addEventListener(event, resolve, { once: true });
    media.addEventListener("error", reject, { once: true });
    patience.addEventListener("abort", reject, { once: true });
  });

/** The same picture once more: a canvas is in one place at a time. */
export const copied = (canvas) => drawn(canvas, canvas.width, canvas.height);

function drawn(from, width, height) {
  const scale = Math.min(1, WIDEST / width);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(from, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function grouped(list) {
  const groups = new Map();
  for (const one of list) groups.set(one.folder, [...(groups.get(one.folder) ?? []), one]);
  return groups;
}
