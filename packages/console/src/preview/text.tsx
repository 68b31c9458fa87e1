// Text and code with line numbers. Nothing is interpreted: what a file says is what is shown.

import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Trouble, troubleOf } from "../denial";
import { bytes } from "../format";
import { Broken } from "../ui/notice";
import { FIRST_PIECE, gutter, looksBinary, type Piece, TextReader } from "./ranges";
import type { ViewProps } from "./stage";

export function TextView({ entry, url }: ViewProps): JSX.Element {
  const [text, setText] = useState<string | null>(null);
  const [last, setLast] = useState<Piece | null>(null);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const [busy, setBusy] = useState(true);
  const reader = useRef<{ text: TextReader; stop: AbortController } | null>(null);

  const read = async (): Promise<void> => {
    const from = reader.current;
    if (!from) return;
    setBusy(true);
    try {
      const piece = await from.text.read(FIRST_PIECE, from.stop.signal);
      setText((before) => (before ?? "") + piece.text);
      setLast(piece);
    } catch (cause) {
      if (from.stop.signal.aborted) return;
      setTrouble(troubleOf(cause, `${entry.name} cannot be read`));
    }
    setBusy(false);
  };
  useEffect(() => {
    const stop = new AbortController();
    if (entry.size === 0) return setText("");
    reader.current = { text: new TextReader(url), stop };
    void read();
    return () => stop.abort();
  }, [url]);

  if (trouble) return <Broken trouble={trouble} />;
  if (text === null) return <div class="bone big" aria-hidden="true" />;
  return (
    <>
      {looksBinary(text) ? (
        <p class="caption">This looks like binary data; it is shown as it decodes.</p>
      ) : null}
      <Code text={text} name={entry.name} />
      {last?.next ? (
        <div class="strip">
          <span class="muted">
            {bytes(last.next)} of {bytes(last.total)} shown
          </span>
          <button
            type="button"
            class="btn"
            disabled={busy}
            onClick={() => void read()}
            data-testid="more-text"
          >
            {busy ? "Reading …" : "Show the next 256 KiB"}
          </button>
        </div>
      ) : null}
    </>
  );
}

function Code({ text, name }: { text: string; name: string }): JSX.Element {
  const numbers = useMemo(() => gutter(text), [text]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
    <section class="code scrolls" tabIndex={0} aria-label={`Text of ${name}`} data-testid="text">
      <pre class="gutter" aria-hidden="true">
        {numbers}
      </pre>
      <pre class="lines">{text}</pre>
    </section>
  );
}
