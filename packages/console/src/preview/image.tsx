import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ViewProps } from "./stage";
import { Failed } from "./why";
import { fitScale, percent, scaleOf, type Zoom, zoomed } from "./zoom";

interface Size {
  width: number;
  height: number;
}

/** An image that fits, zooms by key, wheel and button, and is dragged when it is larger than its box. */
export function ImageView(props: ViewProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [natural, setNatural] = useState<Size | null>(null);
  const [room, setRoom] = useState<Size>({ width: 1, height: 1 });
  const [zoom, setZoom] = useState<Zoom>("fit");
  const [bad, setBad] = useState(false);
  const fit = natural ? fitScale(natural.width, natural.height, room.width, room.height) : 1;
  const scale = scaleOf(zoom, fit);
  const large = scale > fit * 1.001;
  const step = (by: 1 | -1): void => setZoom((now) => zoomed(now, fit, by));

  useLayoutEffect(() => {
    const measured = box.current;
    if (!measured) return;
    const look = (): void => setRoom({ width: measured.clientWidth, height: measured.clientHeight });
    const sizes = new ResizeObserver(look);
    sizes.observe(measured);
    return () => sizes.disconnect();
  }, []);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey) return;
      if (event.key === "+" || event.key === "=") step(1);
      else if (event.key === "-") step(-1);
      else if (event.key === "0") setZoom("fit");
      else if (event.key === "1") setZoom(1);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [fit]);
  useDrag(box);

  if (bad) return <Failed {...props} otherwise="The browser cannot decode this picture" />;
  return (
    <>
      <section
        ref={box}
        class={large ? "picture large scrolls" : "picture"}
        aria-label={`Picture ${props.entry.name}`}
        tabIndex={large ? 0 : undefined}
        onWheel={(event) => {
          if (!event.ctrlKey) return;
          event.preventDefault();
          step(event.deltaY < 0 ? 1 : -1);
        }}
        onDblClick={() => setZoom(zoom === "fit" ? 1 : "fit")}
      >
        <img
          src={props.url}
          alt={props.entry.name}
          draggable={false}
          onLoad={(event) =>
            setNatural({ width: event.currentTarget.naturalWidth, height: event.currentTarget.naturalHeight })
          }
          onError={() => setBad(true)}
          style={
            natural ? { width: `${natural.width * scale}px`, height: `${natural.height * scale}px` } : {}
          }
        />
      </section>
      <div class="strip" role="group" aria-label="Zoom">
        <button type="button" class="btn" onClick={() => step(-1)} aria-label="Zoom out" title="−">
          −
        </button>
        <output data-testid="zoom">{percent(scale)}</output>
        <button type="button" class="btn" onClick={() => step(1)} aria-label="Zoom in" title="+">
          +
        </button>
        <button
          type="button"
          class="btn"
          onClick={() => setZoom("fit")}
          title="0"
          aria-pressed={zoom === "fit"}
        >
          Fit
        </button>
        <button type="button" class="btn" onClick={() => setZoom(1)} title="1" aria-pressed={zoom === 1}>
          100 %
        </button>
        {natural ? (
          <span class="muted">
            {natural.width} × {natural.height}
          </span>
        ) : null}
      </div>
    </>
  );
}

function useDrag(box: { current: HTMLDivElement | null }): void {
  useEffect(() => {
    const held = box.current;
    if (!held) return;
    const down = (event: PointerEvent): void => {
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      event.preventDefault();
      held.setPointerCapture(event.pointerId);
    };
    const moved = (event: PointerEvent): void => {
      if (held.hasPointerCapture(event.pointerId)) held.scrollBy(-event.movementX, -event.movementY);
    };
    held.addEventListener("pointerdown", down);
    held.addEventListener("pointermove", moved);
    return () => {
      held.removeEventListener("pointerdown", down);
      held.removeEventListener("pointermove", moved);
    };
  }, []);
}
