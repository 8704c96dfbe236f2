// The whole trace in a strip: where something ran, of which kind, where it failed; a window shows what the rows below cover, and moves them.
import { useEffect, useRef } from "preact/hooks";
import type { Session } from "../session";
import { KIND, STATUS } from "../skeleton";
import { colour } from "../theme";
import type { TimeScale } from "../timescale";

const HEIGHT = 52;
const LANES = [KIND.agent, KIND.generation, KIND.tool, KIND.other];

interface Props {
  session: Session;
  scale: TimeScale;
  from: number;
  to: number;
  now: number;
  onWindow: (from: number, to: number) => void;
}

export function Overview({ session, scale, from, to, now, onWindow }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drawn = useRef("");
  const picture = useRef<ImageData | null>(null);

  useEffect(() => {
    const draw = () => {
      if (canvas.current !== null) {
        paint(canvas.current, session, scale, from, to, now, drawn, picture);
      }
    };
    draw();
    const again = () => {
      drawn.current = "";
      draw();
    };
    const observer = new ResizeObserver(again);
    if (canvas.current !== null) {
      observer.observe(canvas.current);
    }
    addEventListener("theme", again);
    return () => {
      observer.disconnect();
      removeEventListener("theme", again);
    };
  });

  const start = (event: PointerEvent) => {
    const element = canvas.current;
    if (element === null || event.button !== 0) {
      return;
    }
    element.setPointerCapture(event.pointerId);
    const at = (moved: PointerEvent) => {
      const box = element.getBoundingClientRect();
      return Math.max(0, Math.min(1, (moved.clientX - box.left) / box.width)) * scale.length;
    };
    const began = at(event);
    const whole = to - from >= scale.length * 0.999;
    // Inside the window it is moved; elsewhere a new one is drawn.
    const moving = !whole && began >= from && began <= to;
    const move = (moved: PointerEvent) => {
      const here = at(moved);
      if (moving) {
        const width = to - from;
        const left = Math.max(0, Math.min(scale.length - width, from + here - began));
        onWindow(left, left + width);
      } else if (Math.abs(here - began) > scale.length * 0.004) {
        onWindow(Math.min(began, here), Math.max(began, here));
      }
    };
    const stop = () => {
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", stop);
      element.removeEventListener("pointercancel", stop);
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", stop);
    element.addEventListener("pointercancel", stop);
  };

  return (
    <canvas
      ref={canvas}
      class="overview"
      height={HEIGHT}
      aria-hidden="true"
      title="Drag to zoom"
      onPointerDown={start}
      onDblClick={() => onWindow(0, scale.length)}
    />
  );
}

function paint(
  canvas: HTMLCanvasElement,
  session: Session,
  scale: TimeScale,
  from: number,
  to: number,
  now: number,
  drawn: { current: string },
  picture: { current: ImageData | null },
): void {
  const ratio = devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const height = Math.round(HEIGHT * ratio);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) {
    return;
  }
  const key = `${width} ${session.skeletonVersion} ${scale.gaps.length} ${scale.length} ${now}`;
  if (drawn.current !== key || picture.current === null) {
    canvas.width = width;
    canvas.height = height;
    drawSpans(context, session, scale, width, height, now);
    picture.current = context.getImageData(0, 0, width, height);
    drawn.current = key;
  } else {
    context.putImageData(picture.current, 0, 0);
  }
  if (to - from < scale.length * 0.999) {
    const left = (from / scale.length) * width;
    const right = (to / scale.length) * width;
    context.fillStyle = colour("shade");
    context.fillRect(0, 0, left, height);
    context.fillRect(right, 0, width - right, height);
    context.fillStyle = colour("accent");
    context.fillRect(left - ratio, 0, 2 * ratio, height);
    context.fillRect(right - ratio, 0, 2 * ratio, height);
  }
}

function drawSpans(
  context: CanvasRenderingContext2D,
  session: Session,
  scale: TimeScale,
  width: number,
  height: number,
  now: number,
): void {
  const { skeleton } = session;
  const laneHeight = height / (LANES.length + 0.5);
  // One bit per pixel and lane: a hundred thousand rectangles would be drawn over each other otherwise.
  const busy = LANES.map(() => new Uint8Array(width + 1));
  const states = [STATUS.error, STATUS.interrupted, STATUS.running].map(() => new Uint8Array(width + 1));
  for (let index = 1; index < skeleton.count; index += 1) {
    const left = pixel(scale.place(skeleton.start[index] ?? 0), scale, width);
    const right = pixel(scale.place(skeleton.endOf(index, now)), scale, width);
    const lane = busy[skeleton.kind[index] ?? KIND.other] ?? busy[KIND.other];
    lane?.fill(1, left, right + 1);
    const status = skeleton.status[index] ?? STATUS.ok;
    if (status !== STATUS.ok) {
      states[status - 1]?.fill(1, status === STATUS.error ? right : left, right + 1);
    }
  }
  context.clearRect(0, 0, width, height);
  context.fillStyle = colour("gap");
  for (const gap of scale.gaps) {
    const left = pixel(scale.place(gap.from), scale, width);
    context.fillRect(left, 0, Math.max(1, pixel(scale.place(gap.to), scale, width) - left), height);
  }
  const names = ["kind-agent", "kind-generation", "kind-tool", "kind-other"];
  for (const [lane, pixels] of busy.entries()) {
    context.fillStyle = colour(names[lane] ?? "kind-other");
    runs(pixels, (left, right) => context.fillRect(left, lane * laneHeight + 2, Math.max(1.5, right - left), laneHeight - 3));
  }
  const stateColours = ["error", "interrupted", "running"];
  for (const [state, pixels] of states.entries()) {
    context.fillStyle = colour(stateColours[state] ?? "error");
    runs(pixels, (left, right) => context.fillRect(left, LANES.length * laneHeight, Math.max(2, right - left), laneHeight / 2));
  }
}

function pixel(place: number, scale: TimeScale, width: number): number {
  return Math.max(0, Math.min(width, Math.floor((place / scale.length) * width)));
}

function runs(pixels: Uint8Array, found: (left: number, right: number) => void): void {
  let left = -1;
  for (let at = 0; at <= pixels.length; at += 1) {
    const on = at < pixels.length && pixels[at] === 1;
    if (on && left < 0) {
      left = at;
    } else if (!on && left >= 0) {
      found(left, at);
      left = -1;
    }
  }
}
