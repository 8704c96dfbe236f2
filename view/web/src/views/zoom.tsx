// Which part of the time axis is shown, and moving it by wheel, drag and keys.
import { useEffect, useRef, useState } from "preact/hooks";
import { duration } from "../format";
import type { Gap, Tick, TimeScale } from "../timescale";

const CLOSEST_MS = 0.01;
/** The least part of the view for which a gap is marked. */
const NARROWEST = 0.008;

export function useZoom(scale: TimeScale, active: boolean) {
  // Nothing chosen: the whole trace, however it grows.
  const [shown, setShown] = useState<[number, number] | null>(null);
  const area = useRef<HTMLDivElement>(null);
  const length = scale.length;
  const [from, to] = shown === null ? [0, length] : shown;
  const latest = useRef({ from, to, length });
  latest.current = { from, to, length };

  const put = (left: number, right: number) => {
    const { length: all } = latest.current;
    const width = Math.min(all, Math.max(right - left, Math.min(CLOSEST_MS, all)));
    const start = Math.max(0, Math.min(all - width, left));
    setShown(width >= all * 0.9999 ? null : [start, start + width]);
  };
  const by = (factor: number, around = 0.5) => {
    const { from: left, to: right } = latest.current;
    const centre = left + (right - left) * around;
    const width = (right - left) * factor;
    put(centre - width * around, centre + width * (1 - around));
  };
  const pan = (part: number) => {
    const { from: left, to: right } = latest.current;
    const by_ = (right - left) * part;
    put(left + by_, right + by_);
  };

  // Places on the axis mean other times once gaps are cut, or shown again.
  const cuts = scale.gaps.length;
  useEffect(() => setShown(null), [cuts]);

  useEffect(() => {
    const element = area.current;
    if (element === null || !active) {
      return;
    }
    const plot = () => element.querySelector(".axis")?.getBoundingClientRect() ?? element.getBoundingClientRect();
    const wheel = (event: WheelEvent) => {
      const box = plot();
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        by(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 200))), Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)));
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        pan((event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX) / box.width);
      }
    };
    const down = (event: PointerEvent) => {
      const box = plot();
      if (event.button !== 0 || event.pointerType === "touch" || event.clientX < box.left) {
        return;
      }
      let last = event.clientX;
      let moved = false;
      const move = (next: PointerEvent) => {
        if (moved || Math.abs(next.clientX - last) > 3) {
          moved = true;
          pan((last - next.clientX) / box.width);
          last = next.clientX;
        }
      };
      const up = () => {
        removeEventListener("pointermove", move);
        removeEventListener("pointerup", up);
        if (moved) {
          // A drag is not a click on the row under it.
          addEventListener("click", (click) => click.stopPropagation(), { capture: true, once: true });
        }
      };
      addEventListener("pointermove", move);
      addEventListener("pointerup", up);
    };
    element.addEventListener("wheel", wheel, { passive: false });
    element.addEventListener("pointerdown", down);
    return () => {
      element.removeEventListener("wheel", wheel);
      element.removeEventListener("pointerdown", down);
    };
  }, [active, area.current]);

  return { from, to, area, by, pan, whole: () => setShown(null), show: put };
}

export function Axis({
  ticks,
  step,
  from,
  to,
  format,
}: {
  ticks: Tick[];
  step: number;
  from: number;
  to: number;
  format: (time: number, step: number) => string;
}) {
  return (
    <>
      {ticks.map((tick) => (
        <span key={tick.time} class="tick" style={{ left: `${((tick.place - from) / (to - from)) * 100}%` }}>
          {format(tick.time, step)}
        </span>
      ))}
    </>
  );
}

/** Behind the rows: lines of the axis, and where nothing ran. */
export function GapBands({ scale, gaps, ticks, from, to }: { scale: TimeScale; gaps: Gap[]; ticks: Tick[]; from: number; to: number }) {
  const part = (place: number) => Math.max(0, Math.min(1, (place - from) / (to - from)));
  return (
    <div class="behind" aria-hidden="true">
      <div class="behind-plot">
        {ticks.map((tick) => (
          <i key={tick.time} class="line" style={{ left: `${part(tick.place) * 100}%` }} />
        ))}
        {gaps.map((gap) => {
          const left = part(scale.place(gap.from));
          const right = part(scale.place(gap.to));
          // Many short pauses would hide what they stand between.
          return right - left < NARROWEST ? null : (
            <i
              key={gap.from}
              class="gap"
              title={`nothing ran for ${duration(gap.to - gap.from)}`}
              style={{ left: `${left * 100}%`, width: `${(right - left) * 100}%` }}
            />
          );
        })}
      </div>
    </div>
  );
}
