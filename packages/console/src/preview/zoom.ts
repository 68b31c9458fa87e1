// Zoom steps, as pure arithmetic. `fit` is the scale at which the picture just fits.

const STEP = 1.25;
const LEAST = 0.05;
const MOST = 16;

export type Zoom = "fit" | number;

export const scaleOf = (zoom: Zoom, fit: number): number => (zoom === "fit" ? fit : zoom);

export function zoomed(zoom: Zoom, fit: number, by: 1 | -1): number {
  const now = scaleOf(zoom, fit);
  const next = by > 0 ? now * STEP : now / STEP;
  // Stepping past 100 % always stops there once: pixel for pixel is what people look for.
  const crossed = (now < 0.999 && next > 1.001) || (now > 1.001 && next < 0.999);
  return Math.min(MOST, Math.max(LEAST, crossed ? 1 : next));
}

/** Small pictures are not blown up to fit. */
export const fitScale = (width: number, height: number, boxWidth: number, boxHeight: number): number =>
  width > 0 && height > 0 ? Math.min(1, boxWidth / width, boxHeight / height) : 1;

export const percent = (scale: number): string => `${Math.round(scale * 100)} %`;
