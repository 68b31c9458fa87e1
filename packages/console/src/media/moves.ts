// Where the selection goes when a key is pressed. Pure: positions in, position out.

export interface Grid {
  count: number;
  columns: number;
  /** Whole rows the window shows, for Page Up and Page Down. */
  pageRows: number;
}

/** The next position, or null where the key means nothing here. `at` is -1 while nothing is selected. */
export function move(key: string, at: number, { count, columns, pageRows }: Grid): number | null {
  const step = steps(key, columns, pageRows);
  if (step === null) return null;
  if (count === 0) return -1;
  if (key === "End") return count - 1;
  if (key === "Home" || at < 0) return 0;
  const to = at + step;
  if (Math.abs(step) === 1 || (to >= 0 && to < count)) return clamp(to, count);
  // Off the end of a column: down goes to the last entry if that is a row further, otherwise nothing moves.
  if (to >= count) return Math.floor((count - 1) / columns) > Math.floor(at / columns) ? count - 1 : at;
  return Math.abs(step) > columns ? at % columns : at;
}

function steps(key: string, columns: number, pageRows: number): number | null {
  switch (key) {
    case "ArrowLeft":
      return -1;
    case "ArrowRight":
      return 1;
    case "ArrowUp":
      return -columns;
    case "ArrowDown":
      return columns;
    case "PageUp":
      return -columns * Math.max(1, pageRows);
    case "PageDown":
      return columns * Math.max(1, pageRows);
    case "Home":
    case "End":
      return 0;
    default:
      return null;
  }
}

const clamp = (at: number, count: number): number => Math.min(count - 1, Math.max(0, at));
