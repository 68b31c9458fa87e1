// Real input, and nothing else, counts as activity: the daemon's idle clock must not be fed by timers or events.

let fresh = false;
let lastSaid = 0;
let touchedAt = Date.now();

/** True once after real input since the last call. */
export function takeActivity(): boolean {
  const was = fresh;
  fresh = false;
  if (was) lastSaid = Date.now();
  return was;
}

/** How long nobody has touched this page. */
export const untouchedFor = (): number => Date.now() - touchedAt;

const SAY_EVERY_MS = 60_000;

/** Reading without clicking makes no request of its own, so input says so itself, once a minute at most. */
export function watchActivity(say: () => void): void {
  const touched = (event: Event): void => {
    if (!event.isTrusted) return;
    fresh = true;
    touchedAt = Date.now();
    if (Date.now() - lastSaid > SAY_EVERY_MS) say();
  };
  for (const kind of ["pointerdown", "keydown", "wheel", "touchmove"]) {
    addEventListener(kind, touched, { passive: true, capture: true });
  }
}
