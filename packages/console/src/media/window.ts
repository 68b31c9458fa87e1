// Which part of a long list is worth drawing. Pure arithmetic; rows all have one height.

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

/** `top` is how far the list's first row lies above the view's upper edge (negative while it is below). */
export function windowOf({ count, columns, rowHeight }: Shape, top: number, viewHeight: number): Window {
  const rows = Math.ceil(count / columns);
  const firstRow = clamp(Math.floor(top / rowHeight) - MARGIN_ROWS, rows);
  const endRow = clamp(Math.ceil((top + viewHeight) / rowHeight) + MARGIN_ROWS, rows);
  return {
    first: firstRow * columns,
    end: Math.min(count, endRow * columns),
    before: firstRow * rowHeight,
    after: (rows - endRow) * rowHeight,
  };
}

/** How far to scroll so that a row is wholly in view; 0 when it is. */
export function nudge(index: number, { columns, rowHeight }: Shape, top: number, viewHeight: number): number {
  const rowTop = Math.floor(index / columns) * rowHeight;
  if (rowTop < top) return rowTop - top;
  const over = rowTop + rowHeight - (top + viewHeight);
  return over > 0 ? Math.min(over, rowTop - top) : 0;
}

export const columnsFor = (width: number, atLeast: number, gap: number): number =>
  Math.max(1, Math.floor((width + gap) / (atLeast + gap)));

const clamp = (row: number, rows: number): number => Math.min(rows, Math.max(0, row));
