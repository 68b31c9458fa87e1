// A dozen line drawings, all in `currentColor` and hidden from screen readers: the words beside them speak.

import type { ComponentChildren, JSX } from "preact";

function drawing(box: number, children: ComponentChildren): () => JSX.Element {
  return () => (
    <svg
      viewBox={`0 0 ${box} ${box}`}
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

export const Keyhole = drawing(
  24,
  <>
    <path d="M5 21V6a7 7 0 0 1 14 0v15z" />
    <circle cx="12" cy="11.5" r="2" fill="currentColor" />
    <path d="M12 13v4" />
  </>,
);
export const Play = drawing(
  20,
  <>
    <rect x="2.5" y="4" width="15" height="12" rx="2" />
    <path d="M8.5 7.5v5l4-2.5z" fill="currentColor" />
  </>,
);
export const DoorIcon = drawing(
  20,
  <>
    <path d="M5 17.5V4a1.5 1.5 0 0 1 1.5-1.5h7A1.5 1.5 0 0 1 15 4v13.5M3 17.5h14" />
    <circle cx="12" cy="10.5" r=".8" fill="currentColor" />
  </>,
);
export const Arrows = drawing(20, <path d="M3 7h13M12.5 3.5L16 7l-3.5 3.5M17 13H4M7.5 9.5L4 13l3.5 3.5" />);
export const Desk = drawing(
  20,
  <>
    <rect x="2.5" y="3.5" width="15" height="10" rx="1.5" />
    <path d="M6 7l2 2-2 2M10 11h3.5M7 17h6" />
  </>,
);
export const Page = drawing(20, <path d="M5 3h7l3.5 3.5V17H5zM8 9h5M8 12.5h5" />);
export const Folder = drawing(
  20,
  <path d="M2.5 5.5A1.5 1.5 0 0 1 4 4h3.6l2 2.2H16a1.5 1.5 0 0 1 1.5 1.5v7A1.5 1.5 0 0 1 16 16.2H4a1.5 1.5 0 0 1-1.5-1.5z" />,
);
export const Bucket = drawing(
  20,
  <>
    <ellipse cx="10" cy="5" rx="6.5" ry="2.2" />
    <path d="M3.5 5l1.6 10.2c.2 1 2.3 1.8 4.9 1.8s4.7-.8 4.9-1.8L16.5 5" />
  </>,
);
export const Picture = drawing(
  20,
  <>
    <rect x="2.5" y="3.5" width="15" height="13" rx="2" />
    <circle cx="7" cy="8" r="1.4" />
    <path d="M3 14.5l4.2-3.6 3 2.6 2.6-2.2 4.2 3.6" />
  </>,
);
export const Note = drawing(
  20,
  <>
    <path d="M8 14.5V4.5l8-1.5v10" />
    <circle cx="5.8" cy="14.5" r="2.2" />
    <circle cx="13.8" cy="13" r="2.2" />
  </>,
);
export const Box = drawing(20, <path d="M3 6.5l7-3.5 7 3.5v7L10 17l-7-3.5zM3 6.5l7 3.5 7-3.5M10 10v7" />);
export const Search = drawing(
  20,
  <>
    <circle cx="9" cy="9" r="5" />
    <path d="M13 13l4 4" />
  </>,
);
export const Tiles = drawing(
  20,
  <path d="M3.5 3.5h5v5h-5zM11.5 3.5h5v5h-5zM3.5 11.5h5v5h-5zM11.5 11.5h5v5h-5z" />,
);
export const Rows = drawing(20, <path d="M3 5.5h14M3 10h14M3 14.5h14" />);
export const Cross = drawing(20, <path d="M5 5l10 10M15 5L5 15" />);
export const Left = drawing(20, <path d="M12.5 4.5L7 10l5.5 5.5" />);
export const Right = drawing(20, <path d="M7.5 4.5L13 10l-5.5 5.5" />);
export const Plus = drawing(20, <path d="M10 4v12M4 10h12" />);
export const Halves = drawing(
  20,
  <>
    <circle cx="10" cy="10" r="6.5" />
    <path d="M10 3.5a6.5 6.5 0 0 1 0 13z" fill="currentColor" />
  </>,
);
export const Link = drawing(
  20,
  <path d="M8.5 11.5l3-3M9 6.5l1.5-1.5a3.2 3.2 0 0 1 4.5 4.5L13.5 11M11 13.5L9.5 15A3.2 3.2 0 0 1 5 10.5L6.5 9" />,
);
