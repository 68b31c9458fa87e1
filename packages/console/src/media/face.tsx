// What stands for an entry: a real thumbnail where one can be had, otherwise its kind as an icon.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { suffix } from "../format";
import { Box, Folder, Note, Page, Picture, Play } from "../ui/icons";
import type { Entry, View } from "../wire";
import { keptThumb, type Thumb, thumbOf } from "./thumbs";

export const ICONS: Record<View, () => JSX.Element> = {
  folder: Folder,
  image: Picture,
  video: Play,
  audio: Note,
  pdf: Page,
  text: Page,
  markdown: Page,
  active: Page,
  archive: Box,
  other: Page,
};

/** Scrolling past costs nothing: a thumbnail is asked for only when a tile has stayed this long. */
const SETTLE_MS = 120;

export function Face({ source, entry }: { source: string; entry: Entry }): JSX.Element {
  const Icon = ICONS[entry.view];
  const thumb = useThumb(source, entry);
  const tag = entry.view === "image" || entry.view === "folder" ? null : (thumb?.note ?? suffix(entry.name));
  return (
    <span class={`thumb v-${entry.view}`} aria-hidden="true">
      {thumb?.canvas ? null : <Icon />}
      {thumb?.canvas ? <Drawn canvas={thumb.canvas} whole={entry.view === "pdf"} /> : null}
      {thumb?.text ? <span class="lines">{thumb.text}</span> : null}
      {entry.kind === "file" && entry.url === null ? (
        <span class="tag off">no URL</span>
      ) : tag ? (
        <span class="tag">{tag}</span>
      ) : null}
    </span>
  );
}

/** A canvas made elsewhere: it is copied, because one file may be shown by two tiles. */
function Drawn({ canvas, whole }: { canvas: HTMLCanvasElement; whole: boolean }): JSX.Element {
  const own = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (!own.current) return;
    own.current.width = canvas.width;
    own.current.height = canvas.height;
    own.current.getContext("2d")?.drawImage(canvas, 0, 0);
  }, [canvas]);
  return <canvas ref={own} class={whole ? "sheet" : undefined} />;
}

function useThumb(source: string, entry: Entry): Thumb | null {
  const [thumb, setThumb] = useState<Thumb | null>(() => keptThumb(source, entry) ?? null);
  useEffect(() => {
    const known = keptThumb(source, entry);
    setThumb(known ?? null);
    if (known !== undefined || entry.kind === "folder") return;
    const stop = new AbortController();
    const timer = setTimeout(
      () => void thumbOf(source, entry, stop.signal).then((made) => stop.signal.aborted || setThumb(made)),
      SETTLE_MS,
    );
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [source, entry.key, entry.url]);
  return thumb;
}
