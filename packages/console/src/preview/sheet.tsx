// The preview: a sheet over the grid for one file, with the next and previous a key away.

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Trouble, troubleOf } from "../denial";
import { bytes, day } from "../format";
import { copyUrl, download, renewEntry, revoke } from "../media/acts";
import { find, folder, look, note } from "../media/listing";
import { entryAt, indexOfKey, neighbour } from "../media/pages";
import { selected } from "../media/selection";
import { holdThumbs } from "../media/thumbs";
import { go, mediaRoute, route } from "../router";
import { Cross, Left, Right } from "../ui/icons";
import { Broken } from "../ui/notice";
import type { Entry } from "../wire";
import { Stage } from "./stage";

interface Props {
  source: string;
  entryKey: string;
}

export function Preview({ source, entryKey }: Props): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const { entry, trouble } = useEntry(source, entryKey);
  useLayoutEffect(() => {
    const sheet = dialog.current;
    const focused = document.activeElement;
    sheet?.showModal();
    // The sheet itself, not its first button: arrows and Space belong to what is shown.
    sheet?.focus();
    // The connections are for what is shown now.
    holdThumbs(true);
    return () => {
      holdThumbs(false);
      sheet?.close();
      if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
    };
  }, []);
  const step = (by: 1 | -1): void => {
    const to = folder.value ? neighbour(folder.value.pages, entryKey, by) : null;
    if (!to || !folder.value) return;
    selected.value = indexOfKey(folder.value.pages, to.key);
    go(mediaRoute(source, routePrefix(), to.key), "replace");
  };
  const [before, after] = folder.value
    ? [neighbour(folder.value.pages, entryKey, -1), neighbour(folder.value.pages, entryKey, 1)]
    : [null, null];
  const at = folder.value ? indexOfKey(folder.value.pages, entryKey) : -1;
  // The entries beside it are to be held, however far the list behind was scrolled.
  useEffect(() => {
    if (at >= 0) look(Math.max(0, at - 2), at + 3);
  }, [at, folder.value]);
  return (
    <dialog
      ref={dialog}
      class="sheet"
      tabIndex={-1}
      aria-label={`Preview of ${entryKey}`}
      data-testid="preview"
      data-view={entry?.view ?? ""}
      data-key={entryKey}
      onCancel={(event) => {
        event.preventDefault();
        close(source);
      }}
      onClick={(event) => event.target === dialog.current && close(source)}
      onKeyDown={(event) => onKey(event, source, entry, step)}
    >
      <header>
        <div class="title">
          <h2>{entry?.name ?? entryKey}</h2>
          {entry ? <p class="muted">{facts(entry)}</p> : null}
        </div>
        <div class="tools">
          <button
            type="button"
            class="btn icon-only"
            aria-label="Previous"
            title="Previous (←)"
            disabled={!before}
            onClick={() => step(-1)}
          >
            <Left />
          </button>
          <button
            type="button"
            class="btn icon-only"
            aria-label="Next"
            title="Next (→)"
            disabled={!after}
            onClick={() => step(1)}
          >
            <Right />
          </button>
          {entry ? <Acts source={source} entry={entry} /> : null}
        </div>
        <button
          type="button"
          class="btn icon-only shut"
          aria-label="Close"
          title="Close (Esc)"
          onClick={() => close(source)}
          data-testid="close"
        >
          <Cross />
        </button>
      </header>
      <div class="stage-box">
        {trouble ? <Broken trouble={trouble} /> : null}
        {entry ? <Stage key={`${entry.key} ${entry.url}`} source={source} entry={entry} /> : null}
        {!entry && !trouble ? <div class="bone big" aria-hidden="true" /> : null}
      </div>
    </dialog>
  );
}

function Acts({ source, entry }: { source: string; entry: Entry }): JSX.Element {
  return (
    <>
      <button type="button" class="btn" onClick={() => void download(source, entry)} data-testid="download">
        Download
      </button>
      {entry.grantId ? (
        <button
          type="button"
          class="btn bad"
          title="Delete"
          onClick={() => entry.grantId && void revoke(entry.grantId, entry.name)}
        >
          Revoke
        </button>
      ) : (
        <button type="button" class="btn" onClick={() => void renewEntry(source, entry)}>
          New URL
        </button>
      )}
      <button
        type="button"
        class="btn main"
        title="c"
        disabled={!entry.url}
        onClick={() => void copyUrl(entry)}
      >
        Copy URL
      </button>
    </>
  );
}

function onKey(event: KeyboardEvent, source: string, entry: Entry | null, step: (by: 1 | -1) => void): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = event.target as HTMLElement;
  if (target.matches("input, textarea, select")) return;
  const player = (event.currentTarget as HTMLElement).querySelector<HTMLMediaElement>("video, audio");
  switch (event.key) {
    // A focused player seeks with the arrows, and a scrolled page scrolls with them; both keep that.
    case "ArrowLeft":
    case "ArrowRight":
      if (target.matches("video, audio, .scrolls")) return;
      step(event.key === "ArrowLeft" ? -1 : 1);
      break;
    case " ":
      if (!player || target.matches("button, a, video, audio")) return;
      if (player.paused) void player.play();
      else player.pause();
      break;
    case "c":
      if (entry) void copyUrl(entry);
      break;
    case "Delete":
      if (entry?.grantId) void revoke(entry.grantId, entry.name);
      break;
    case "Escape":
      close(source);
      break;
    default:
      return;
  }
  event.preventDefault();
}

function close(source: string): void {
  go(mediaRoute(source, routePrefix()), "replace");
}

const routePrefix = (): string => (route.value.panel === "media" ? route.value.prefix : "");

function facts(entry: Entry): string {
  const parts = [bytes(entry.size), entry.contentType ?? entry.view, day(entry.modifiedAt, new Date())];
  return parts.filter((part) => part !== "–").join(" · ");
}

/** The entry from the loaded pages, or asked for by name when the preview was opened by its address. */
function useEntry(source: string, key: string): { entry: Entry | null; trouble: Trouble | null } {
  const now = folder.value;
  const listed =
    now?.source === source ? (entryAt(now.pages, indexOfKey(now.pages, key)) ?? undefined) : undefined;
  const waiting = folder.value === null || folder.value.fresh;
  const [fetched, setFetched] = useState<Entry | null>(null);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  useEffect(() => {
    setTrouble(null);
    if (listed || waiting) return;
    let current = true;
    const gone = new Error("It may have been moved, renamed or deleted");
    find(source, key)
      .then((found) => {
        if (!found) throw gone;
        note([found]);
        if (current) setFetched(found);
      })
      .catch((cause: unknown) => current && setTrouble(troubleOf(cause, `${key} was not found`)));
    return () => {
      current = false;
    };
  }, [source, key, listed === undefined, waiting]);
  return { entry: listed ?? (fetched?.key === key ? fetched : null), trouble: listed ? null : trouble };
}
