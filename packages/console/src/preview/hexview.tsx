// A file that nothing here understands, as its bytes: one screenful of them at a time, by ranges.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Trouble, troubleOf } from "../denial";
import { bytes } from "../format";
import { Broken } from "../ui/notice";
import { hexLines, offset } from "./hex";
import { rangesOf } from "./ranges";
import type { ViewProps } from "./stage";

const PAGE = 4096;

export function HexView({ entry, url }: ViewProps): JSX.Element {
  const [at, setAt] = useState(0);
  const [shown, setShown] = useState<{ at: number; lines: string } | null>(null);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const size = entry.size ?? 0;
  const last = Math.max(0, Math.ceil(size / PAGE) - 1) * PAGE;
  useEffect(() => {
    const stop = new AbortController();
    if (entry.size === 0) {
      setShown({ at: 0, lines: "" });
      return;
    }
    rangesOf(url, entry.size, stop.signal)
      .read(at, PAGE)
      .then((read) => stop.signal.aborted || setShown({ at, lines: hexLines(read, at) }))
      .catch(
        (cause: unknown) =>
          stop.signal.aborted || setTrouble(troubleOf(cause, `${entry.name} cannot be read`)),
      );
    return () => stop.abort();
  }, [url, at]);

  if (trouble) return <Broken trouble={trouble} />;
  if (!shown) return <div class="bone big" aria-hidden="true" />;
  if (entry.size === 0) {
    return (
      <div class="plain">
        <p>This file is empty.</p>
      </div>
    );
  }
  return (
    <>
      <p class="caption">This kind of file has no preview; these are its bytes.</p>
      <section
        class="code scrolls"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
        tabIndex={0}
        aria-label={`Bytes of ${entry.name}`}
        data-testid="hex"
        data-at={shown.at}
      >
        <pre class="lines">{shown.lines}</pre>
      </section>
      <div class="strip" role="group" aria-label="Bytes">
        <button type="button" class="btn" disabled={at === 0} onClick={() => setAt(0)}>
          Start
        </button>
        <button type="button" class="btn" disabled={at === 0} onClick={() => setAt(Math.max(0, at - PAGE))}>
          Back
        </button>
        <button
          type="button"
          class="btn"
          disabled={at >= last}
          onClick={() => setAt(Math.min(last, at + PAGE))}
          data-testid="hex-on"
        >
          On
        </button>
        <button type="button" class="btn" disabled={at >= last} onClick={() => setAt(last)}>
          End
        </button>
        <span class="muted">
          from {offset(shown.at)} of {bytes(entry.size)}
        </span>
      </div>
    </>
  );
}
