// pdf.js, kept to what the console's policy allows: ranges only, no wasm, no eval, one worker from our own origin.
// Loaded on the first PDF, never before.

import {
  GlobalWorkerOptions,
  getDocument,
  PDFDataRangeTransport,
  type PDFDocumentProxy,
  TextLayer,
} from "pdfjs-dist";
import workerUrl from "pdfjs-dist/build/pdf.worker.min.mjs?url";

GlobalWorkerOptions.workerSrc = workerUrl;

const RANGE_BYTES = 64 * 1024;
/** Beyond this many pixels a canvas may fail to allocate; the page is then drawn less sharply. */
const MOST_PIXELS = 16e6;

export interface Pdf {
  pages: number;
  /** Draws a page `width` CSS pixels wide; resolves to its height. */
  draw: (page: number, canvas: HTMLCanvasElement, width: number, signal: AbortSignal) => Promise<number>;
  /** Lays selectable text over a page drawn `width` wide. */
  letter: (page: number, box: HTMLElement, width: number, signal: AbortSignal) => Promise<void>;
  close: () => void;
}

/** Asks for ranges alone. pdf.js by itself begins with the whole file, of which a browser takes megabytes before it stops. */
class Ranges extends PDFDataRangeTransport {
  readonly #url: string;
  readonly #stop = new AbortController();
  readonly #failed: () => void;

  /** `failed` is called when a range cannot be had: the address has ended, or the file is gone. */
  constructor(url: string, size: number, first: Uint8Array, failed: () => void) {
    super(size, first);
    this.#url = url;
    this.#failed = failed;
  }

  override requestDataRange(begin: number, end: number): void {
    bytesOf(this.#url, begin, end, this.#stop.signal).then(
      ({ bytes }) => this.onDataRange(begin, bytes),
      () => this.#failed(),
    );
  }

  override abort(): void {
    this.#stop.abort();
  }
}

/** Bytes `begin` to `end`, the latter left out, and the size of the whole. */
async function bytesOf(
  url: string,
  begin: number,
  end: number,
  signal?: AbortSignal,
): Promise<{ bytes: Uint8Array; size: number }> {
  const headers = { range: `bytes=${begin}-${end - 1}` };
  const answer = await fetch(url, { headers, signal: signal ?? null });
  const size = Number(answer.headers.get("content-range")?.split("/")[1]);
  if (answer.status !== 206 || !Number.isSafeInteger(size)) {
    await answer.body?.cancel();
    throw new Error(`a range was answered with ${answer.status}`);
  }
  return { bytes: new Uint8Array(await answer.arrayBuffer()), size };
}

export async function openPdf(url: string): Promise<Pdf> {
  const { bytes, size } = await bytesOf(url, 0, RANGE_BYTES);
  const loading = getDocument({
    // Who waits for a page hears that the document was closed.
    range: new Ranges(url, size, bytes, () => void loading.destroy()),
    rangeChunkSize: RANGE_BYTES,
    disableStream: true,
    disableAutoFetch: true,
    useWasm: false,
    enableXfa: false,
    stopAtErrors: false,
    verbosity: 0,
  });
  try {
    const document = await loading.promise;
    return {
      pages: document.numPages,
      draw: (page, canvas, width, signal) => draw(document, page, canvas, width, signal),
      letter: (page, box, width, signal) => letter(document, page, box, width, signal),
      close: () => void loading.destroy(),
    };
  } catch (cause) {
    void loading.destroy();
    throw cause;
  }
}

async function draw(
  pdf: PDFDocumentProxy,
  number: number,
  canvas: HTMLCanvasElement,
  width: number,
  signal: AbortSignal,
): Promise<number> {
  const page = await pdf.getPage(number);
  const plain = page.getViewport({ scale: 1 });
  const height = (plain.height / plain.width) * width;
  const sharp = Math.min(devicePixelRatio || 1, Math.sqrt(MOST_PIXELS / (width * height)));
  const viewport = page.getViewport({ scale: (width / plain.width) * sharp });
  signal.throwIfAborted();
  canvas.width = Math.floor(viewport.width);
  canvas.height = Math.floor(viewport.height);
  const task = page.render({ canvas, viewport });
  const cancel = (): void => task.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    await task.promise;
  } finally {
    signal.removeEventListener("abort", cancel);
    page.cleanup();
  }
  return height;
}

async function letter(
  pdf: PDFDocumentProxy,
  number: number,
  box: HTMLElement,
  width: number,
  signal: AbortSignal,
): Promise<void> {
  const page = await pdf.getPage(number);
  const scale = width / page.getViewport({ scale: 1 }).width;
  const textContentSource = await page.getTextContent();
  signal.throwIfAborted();
  box.replaceChildren();
  box.style.setProperty("--total-scale-factor", String(scale));
  const layer = new TextLayer({ textContentSource, container: box, viewport: page.getViewport({ scale }) });
  signal.addEventListener("abort", () => layer.cancel(), { once: true });
  await layer.render();
}
