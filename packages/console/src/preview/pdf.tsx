// A PDF page by page: a canvas, selectable text over it, and only the ranges that the page needs.

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Left, Right } from "../ui/icons";
import type { Pdf } from "./pdfdoc";
import type { ViewProps } from "./stage";
import { Failed } from "./why";

const WIDTHS = [0.5, 0.75, 1, 1.5, 2, 3];
const PAPER_WIDTH = 860;

export function PdfView(props: ViewProps): JSX.Element {
  const [pdf, setPdf] = useState<Pdf | null>(null);
  const [bad, setBad] = useState<string | null>(null);
  const [page, setPage] = useState(1);
  const [zoom, setZoom] = useState(1);
  useEffect(() => {
    let current: Pdf | null = null;
    let gone = false;
    import("./pdfdoc")
      .then(({ openPdf }) => openPdf(props.url))
      .then((opened) => {
        current = opened;
        if (gone) opened.close();
        else setPdf(opened);
      })
      .catch((cause: unknown) => setBad(reason(cause)));
    return () => {
      gone = true;
      current?.close();
    };
  }, [props.url]);
  const turn = (to: number): void => {
    if (pdf && Number.isInteger(to)) setPage(Math.min(pdf.pages, Math.max(1, to)));
  };
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || (event.target as HTMLElement).matches("input")) return;
      const by = { PageDown: 1, PageUp: -1, n: 1, p: -1 }[event.key];
      if (by !== undefined) turn(page + by);
      else if (event.key === "+" || event.key === "=") setZoom((now) => larger(now));
      else if (event.key === "-") setZoom((now) => smaller(now));
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [page, pdf]);

  if (bad) return <Failed {...props} otherwise={bad} />;
  return (
    <>
      {pdf ? (
        <Sheet pdf={pdf} page={page} zoom={zoom} onBad={setBad} />
      ) : (
        <div class="bone big" aria-hidden="true" />
      )}
      <div class="strip" role="group" aria-label="Pages">
        <button
          type="button"
          class="btn icon-only"
          aria-label="Previous page"
          title="Page Up"
          disabled={page <= 1}
          onClick={() => turn(page - 1)}
        >
          <Left />
        </button>
        <label>
          Page{" "}
          <input
            type="number"
            min={1}
            max={pdf?.pages ?? 1}
            value={page}
            onChange={(event) => turn(event.currentTarget.valueAsNumber)}
            data-testid="pdf-page"
          />
        </label>
        <span class="muted" data-testid="pdf-pages">
          of {pdf?.pages ?? "…"}
        </span>
        <button
          type="button"
          class="btn icon-only"
          aria-label="Next page"
          title="Page Down"
          disabled={!pdf || page >= pdf.pages}
          onClick={() => turn(page + 1)}
        >
          <Right />
        </button>
        <span class="grow" />
        <button
          type="button"
          class="btn"
          aria-label="Zoom out"
          title="−"
          onClick={() => setZoom(smaller(zoom))}
        >
          −
        </button>
        <output>{Math.round(zoom * 100)} %</output>
        <button
          type="button"
          class="btn"
          aria-label="Zoom in"
          title="+"
          onClick={() => setZoom(larger(zoom))}
        >
          +
        </button>
      </div>
    </>
  );
}

interface SheetProps {
  pdf: Pdf;
  page: number;
  zoom: number;
  onBad: (why: string) => void;
}

function Sheet({ pdf, page, zoom, onBad }: SheetProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const text = useRef<HTMLDivElement>(null);
  const room = useWidth(box);
  const [ready, setReady] = useState(0);
  const width = Math.round(Math.min(PAPER_WIDTH, Math.max(200, room - 32)) * zoom);
  useEffect(() => {
    const [drawing, letters, view] = [canvas.current, text.current, box.current];
    if (!drawing || !letters || room === 0) return;
    const stop = new AbortController();
    const show = async (): Promise<void> => {
      const height = await pdf.draw(page, drawing, width, stop.signal);
      drawing.style.width = letters.style.width = `${width}px`;
      drawing.style.height = letters.style.height = `${height}px`;
      await pdf.letter(page, letters, width, stop.signal);
      setReady(page);
    };
    view?.scrollTo({ top: 0 });
    show().catch((cause: unknown) => stop.signal.aborted || onBad(reason(cause)));
    return () => stop.abort();
  }, [pdf, page, width]);
  return (
    <section
      ref={box}
      class="paper"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
      tabIndex={0}
      aria-label={`Page ${page}`}
      data-testid="pdf"
      data-page={ready}
    >
      <div class="leaf">
        <canvas ref={canvas} data-testid="pdf-canvas" />
        <div ref={text} class="textLayer" data-testid="pdf-text" />
      </div>
    </section>
  );
}

function useWidth(box: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (!box.current) return;
    const measured = box.current;
    const sizes = new ResizeObserver(() => setWidth(measured.clientWidth));
    sizes.observe(measured);
    setWidth(measured.clientWidth);
    return () => sizes.disconnect();
  }, []);
  return width;
}

const larger = (zoom: number): number => WIDTHS.find((one) => one > zoom) ?? zoom;
const smaller = (zoom: number): number => WIDTHS.findLast((one) => one < zoom) ?? zoom;

function reason(cause: unknown): string {
  const name = cause instanceof Error ? cause.name : "";
  if (name === "PasswordException") return "It is protected by a password";
  if (name === "InvalidPDFException") return "It is not a PDF that can be read";
  return "The page could not be drawn";
}
