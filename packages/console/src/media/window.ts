// Which part of a long list is worth drawing. Pure arithmetic; rows all have one height. Browsers draw nothing beyond
// some 17 million pixels: a longer list is scrolled faster than it is tall, so that its end can be reached.

export interface Shape {
  count: number;
  columns: number;
  rowHeight: number;
}

export interface Window {
  /** First and one past the last entry drawn. */
  first: number;
  end: number;
  /** Space kept for what is not drawn. */
  before: number;
  after: number;
}

const MARGIN_ROWS = 3;
/** Firefox stops at 17.8 million, Chromium at 33.5 million. */
export const TALLEST = 15_000_000;

/** `top` is how far the list's first row lies above the view's upper edge (negative while it is below). */
export function windowOf(shape: Shape, top: number, viewHeight: number): Window {
  const { count, columns, rowHeight } = shape;
  const rows = Math.ceil(count / columns);
  const height = Math.min(rows * rowHeight, TALLEST);
  const real = top > 0 ? top * faster(shape, viewHeight) : top;
  const firstRow = clamp(Math.floor(real / rowHeight) - MARGIN_ROWS, rows);
  const endRow = clamp(Math.ceil((real + viewHeight) / rowHeight) + MARGIN_ROWS, rows);
  const drawn = (endRow - firstRow) * rowHeight;
  const before = Math.min(Math.max(0, top - (real - firstRow * rowHeight)), Math.max(0, height - drawn));
  return {
    first: firstRow * columns,
    end: Math.min(count, endRow * columns),
    before,
    after: Math.max(0, height - before - drawn),
  };
}

/** How many pixels of the list pass by for each that is scrolled: 1 but for the longest lists. */
export function faster({ count, columns, rowHeight }: Shape, viewHeight: number): number {
  const height = Math.ceil(count / columns) * rowHeight;
  return height <= TALLEST ? 1 : (height - viewHeight) / (TALLEST - viewHeight);
}

/** How far to scroll so that a row is wholly in view; 0 when it is. */
export function nudge(index: number, shape: Shape, top: number, viewHeight: number): number {
  const { columns, rowHeight } = shape;
  const by = faster(shape, viewHeight);
  const real = top > 0 ? top * by : top;
  const rowTop = Math.floor(index / columns) * rowHeight;
  if (rowTop < real) return (rowTop - real) / by;
  const over = rowTop + rowHeight - (real + viewHeight);
  return over > 0 ? Math.min(over, rowTop - real) / by : 0;
}

export const columnsFor = (width: number, atLeast: number, gap: number): number =>
  Math.max(1, Math.floor((width + gap) / (atLeast + gap)));

const clamp = (row: number, rows: number): number => Math.min(rows, Math.max(0, row));
