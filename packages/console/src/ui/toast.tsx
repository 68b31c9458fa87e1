import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { said } from "../house";

const SHOWN_MS = 4_000;
const shown = signal(0);

/** Shows what was said for a moment; the live region keeps it for those who hear it. */
export function Toast(): JSX.Element {
  const saying = said.value;
  useEffect(() => {
    if (!saying) return;
    shown.value = saying.n;
    const timer = setTimeout(() => {
      shown.value = 0;
    }, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [saying?.n]);
  return (
    <>
      <div class="hear" role="status" aria-live="polite">
        {saying?.text ?? ""}
      </div>
      {saying && shown.value === saying.n ? (
        <div class={saying.bad ? "toast bad" : "toast"} aria-hidden="true">
          {saying.text}
        </div>
      ) : null}
    </>
  );
}
