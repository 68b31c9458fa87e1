import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { sources } from "../house";
import { Rows, Search, Tiles } from "../ui/icons";
import { copyUrl, revoke } from "./acts";
import { type Folder, show } from "./listing";
import { entryAt } from "./pages";
import { selected, shape } from "./selection";

const TYPING_MS = 220;

export function Toolbar({ folder }: { folder: Folder }): JSX.Element {
  const entry = entryAt(folder.pages, selected.value) ?? undefined;
  return (
    <div class="bar">
      <SearchField folder={folder} key={`${folder.source}:${folder.prefix}`} />
      <button
        type="button"
        class="btn icon-only"
        aria-label={shape.value === "tiles" ? "Show as list" : "Show as tiles"}
        title={shape.value === "tiles" ? "Show as list" : "Show as tiles"}
        onClick={() => {
          shape.value = shape.value === "tiles" ? "list" : "tiles";
        }}
        data-testid="shape"
      >
        {shape.value === "tiles" ? <Rows /> : <Tiles />}
      </button>
      <button
        type="button"
        class="btn bad wide"
        disabled={!entry?.grantId}
        title="Delete"
        onClick={() => entry?.grantId && void revoke(entry.grantId, entry.name)}
      >
        Revoke
      </button>
      <button
        type="button"
        class="btn main"
        disabled={!entry?.url}
        title="c"
        onClick={() => void copyUrl(entry)}
        data-testid="copy-url"
      >
        Copy URL
      </button>
    </div>
  );
}

function SearchField({ folder }: { folder: Folder }): JSX.Element {
  const known = sources.value?.find((one) => one.id === folder.source);
  const [text, setText] = useState(folder.q.text);
  // A bucket finds what starts so at once, and what holds it only by going through every name.
  const [starts, setStarts] = useState(folder.q.text ? folder.q.starts : known?.kind !== "folder");
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (text === folder.q.text && (text === "" || starts === folder.q.starts)) return;
    const timer = setTimeout(() => {
      selected.value = -1;
      show(folder.source, folder.prefix, { text, starts });
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, starts]);
  const named = known?.name ?? folder.source;
  const where = [named, folder.prefix.replace(/\/$/, "")].filter(Boolean).join("/");
  return (
    <div class="search">
      <Search />
      <input
        ref={field}
        id="search"
        type="search"
        aria-label={`Search in ${where}`}
        placeholder={`Search in ${where}`}
        value={text}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") {
            setText("");
            field.current?.blur();
          } else if (event.key === "ArrowDown" || event.key === "Enter") {
            event.preventDefault();
            selected.value = folder.pages.count > 0 ? 0 : -1;
            document.querySelector<HTMLElement>("[role=listbox]")?.focus({ preventScroll: true });
          }
        }}
      />
      <button
        type="button"
        class="link calm how"
        title={
          starts
            ? "Finds names that start so, as written. Click to look anywhere in the name."
            : "Finds names that hold it anywhere. Click to find only names that start so."
        }
        onClick={() => setStarts(!starts)}
        data-testid="starts"
      >
        <span class="hear">Name </span>
        {starts ? "starts with" : "contains"}
      </button>
      <kbd>/</kbd>
    </div>
  );
}
