// The entries of a folder as tiles or rows, of which only the ones in view exist. One listbox, one focus; the
// selected entry is its active descendant.

import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { bytes, day } from "../format";
import { go, mediaRoute } from "../router";
import type { Entry } from "../wire";
import { Face, ICONS } from "./face";
import { type Folder, look, more, scrolled } from "./listing";
import type { Grid } from "./moves";
import { entryAt } from "./pages";
import { selected, shape } from "./selection";
import { columnsFor, nudge, type Shape, windowOf } from "./window";

const GAP = 14;
const TILE_AT_LEAST = 168;
const CAPTION = 54;
const LIST_ROW = 40;
/** Asks for the next page while this many rows are still below the view. */
const AHEAD_ROWS = 6;

interface View {
  shape: Shape;
  top: number;
  height: number;
}

/** What the keyboard needs to know about the grid as it is drawn now. */
export const drawn: { grid: () => Grid; reveal: (index: number) => void } = {
  grid: () => ({ count: 0, columns: 1, pageRows: 1 }),
  reveal: () => {},
};

export function EntryGrid({ folder }: { folder: Folder }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const tiles = shape.value === "tiles";
  const count = folder.pages.count;
  const view = useView(box, tiles, count);
  const { first, end, before, after } = windowOf(view.shape, view.top, view.height || 800);
  const nearEnd = end + view.shape.columns * AHEAD_ROWS >= count;
  const roomy = view.shape.columns > 2 || !tiles;
  useLayoutEffect(() => {
    if (nearEnd && roomy) more();
  }, [nearEnd, roomy, count, folder.busy]);

  useLayoutEffect(() => look(first, end), [first, end, folder]);
  useLayoutEffect(() => {
    const main = box.current?.closest("main");
    if (!main || !scrolled.wish || view.height === 0) return;
    main.scrollTo({ top: scrolled.wish });
    scrolled.wish = 0;
  });

  drawn.grid = () => ({
    count,
    columns: view.shape.columns,
    pageRows: Math.floor(view.height / view.shape.rowHeight) - 1,
  });
  drawn.reveal = (index) => {
    const main = box.current?.closest("main");
    const by = box.current ? nudge(index, view.shape, topOf(box.current), view.height) : 0;
    if (by !== 0) main?.scrollBy({ top: by + Math.sign(by) * GAP });
  };
  const active = selected.value >= first && selected.value < end ? `entry-${selected.value}` : undefined;
  return (
    <div
      ref={box}
      class={tiles ? "grid" : "grid rows"}
      role="listbox"
      tabIndex={0}
      aria-label={folder.prefix ? `Files in ${folder.prefix}` : "Files"}
      aria-activedescendant={active}
      data-testid="entries"
      style={{
        "--cols": String(view.shape.columns),
        "--tile": `${view.shape.rowHeight - GAP}px`,
        paddingTop: `${before}px`,
        paddingBottom: `${after}px`,
      }}
    >
      {Array.from({ length: end - first }, (_, i) => {
        const entry = entryAt(folder.pages, first + i);
        return entry ? (
          <Tile
            key={entry.key}
            source={folder.source}
            entry={entry}
            index={first + i}
            count={folder.pages.next === null ? count : -1}
            tiles={tiles}
          />
        ) : (
          <Bone key={`bone-${first + i}`} index={first + i} tiles={tiles} />
        );
      })}
    </div>
  );
}

interface TileProps {
  source: string;
  entry: Entry;
  index: number;
  count: number;
  tiles: boolean;
}

function Tile({ source, entry, index, count, tiles }: TileProps): JSX.Element {
  const Icon = ICONS[entry.view];
  const on = selected.value === index;
  const lost = entry.kind === "file" && entry.url === null;
  const touched = useRef(false);
  const meta = entry.kind === "folder" ? "folder" : bytes(entry.size);
  return (
    // biome-ignore lint/a11y/useFocusableInteractive: the listbox has the focus and names its active option
    // biome-ignore lint/a11y/useKeyWithClickEvents: the panel hears the keys, see keys.ts
    <div
      id={`entry-${index}`}
      class={tiles ? "tile" : "line"}
      role="option"
      aria-selected={on}
      aria-posinset={index + 1}
      aria-setsize={count}
      data-testid="entry"
      data-key={entry.key}
      data-view={entry.view}
      onPointerDown={(event) => {
        touched.current = event.pointerType === "touch";
      }}
      onClick={() => {
        if (touched.current || selected.peek() === index) openEntry(source, entry);
        selected.value = index;
      }}
    >
      {tiles ? <Face source={source} entry={entry} /> : <Icon />}
      <span class="name">{entry.name}</span>{" "}
      {tiles ? (
        <small>
          {[meta, entry.view === "active" ? "shown as text" : "", lost ? "no URL" : ""]
            .filter(Boolean)
            .join(" · ")}
        </small>
      ) : (
        <>
          <span class={lost ? "chip r" : "chip"}>{lost ? "no URL" : entry.view}</span>{" "}
          <small class="num">{entry.kind === "folder" ? "" : meta}</small>{" "}
          <small class="num">{day(entry.modifiedAt, new Date())}</small>
        </>
      )}
    </div>
  );
}

/** Where an entry was, and will be in a moment. */
function Bone({ index, tiles }: { index: number; tiles: boolean }): JSX.Element {
  return (
    // biome-ignore lint/a11y/useFocusableInteractive: as for a tile
    <div
      id={`entry-${index}`}
      class={tiles ? "tile" : "line"}
      role="option"
      aria-selected={selected.value === index}
      aria-posinset={index + 1}
      aria-busy="true"
      aria-label="Being read"
    >
      <span class={tiles ? "thumb" : ""} />
      <span class="bone" />
    </div>
  );
}

export function openEntry(source: string, entry: Entry): void {
  const cut = entry.key.replace(/[^/]*\/?$/, "");
  go(
    entry.kind === "folder"
      ? mediaRoute(source, entry.key.endsWith("/") ? entry.key : `${entry.key}/`)
      : mediaRoute(source, cut, entry.key),
  );
}

/** Follows scrolling and resizing, and re-draws only when the window of rows moves. */
function useView(box: { current: HTMLDivElement | null }, tiles: boolean, count: number): View {
  const [view, setView] = useState<View>({
    shape: { count: 0, columns: 1, rowHeight: 200 },
    top: 0,
    height: 0,
  });
  useLayoutEffect(() => {
    const main = box.current?.closest("main");
    if (!box.current || !main) return;
    const list = box.current;
    const measure = (): void => {
      scrolled.top = main.scrollTop;
      const width = list.clientWidth;
      const narrow = width < 420;
      const columns = tiles ? Math.max(2, columnsFor(width, TILE_AT_LEAST, GAP)) : 1;
      const tile = ((width - GAP * (columns - 1)) / columns) * 0.75 + CAPTION;
      const rowHeight = tiles ? Math.round(tile) + GAP : LIST_ROW + (narrow ? 4 : 0);
      const next = { shape: { count, columns, rowHeight }, top: topOf(list), height: main.clientHeight };
      setView((was) => (sameWindow(was, next) ? was : next));
    };
    measure();
    const sizes = new ResizeObserver(measure);
    sizes.observe(list);
    sizes.observe(main);
    main.addEventListener("scroll", measure, { passive: true });
    return () => {
      sizes.disconnect();
      main.removeEventListener("scroll", measure);
    };
  }, [tiles, count]);
  return { ...view, shape: { ...view.shape, count } };
}

function topOf(list: HTMLElement): number {
  const main = list.closest("main");
  return main ? main.getBoundingClientRect().top - list.getBoundingClientRect().top : 0;
}

function sameWindow(a: View, b: View): boolean {
  const [x, y] = [windowOf(a.shape, a.top, a.height), windowOf(b.shape, b.top, b.height)];
  return (
    x.first === y.first &&
    x.end === y.end &&
    Math.round(x.before) === Math.round(y.before) &&
    a.height > 0 &&
    a.shape.columns === b.shape.columns &&
    a.shape.rowHeight === b.shape.rowHeight &&
    a.shape.count === b.shape.count
  );
}
