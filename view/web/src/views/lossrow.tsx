// A row of the waterfall and of the tree for what is lost there.
import type { Lost } from "../api";
import { lostText } from "../parts/banner";
import type { RowProps } from "./rows";

export function LossRow({
  loss,
  lost,
  position,
  top,
  height,
  depth,
  axis,
  startedAt,
}: Pick<RowProps, "position" | "top" | "height" | "depth" | "axis"> & { loss: number; lost: Lost; startedAt: number }) {
  const text = lostText(lost);
  return (
    <div
      id={`loss-${loss}`}
      role="row"
      class="grid-row item loss-row"
      aria-level={depth + 1}
      aria-rowindex={position + 1}
      aria-label={`Lost: ${text}`}
      title={`Lost here: ${text}`}
      style={{ transform: `translateY(${top}px)`, height: `${height}px` }}
    >
      <div role="gridcell" class="cell loss-cell">
        <b>Lost:</b> {text}
      </div>
      {axis !== null && <LostTime lost={lost} axis={axis} startedAt={startedAt} />}
    </div>
  );
}

/** From the event before it to the one behind it. */
function LostTime({ lost, axis, startedAt }: { lost: Lost; axis: NonNullable<RowProps["axis"]>; startedAt: number }) {
  const { scale, from, to } = axis;
  const begins = lost.from ?? lost.to;
  const ends = lost.to ?? lost.from;
  if (begins === null || begins === undefined || ends === null || ends === undefined) {
    return <div role="gridcell" class="cell bar-cell" />;
  }
  const part = (time: number) => Math.max(-0.01, Math.min(1.01, (scale.place(time - startedAt) - from) / (to - from)));
  const left = part(Math.min(begins, ends));
  return (
    <div role="gridcell" class="cell bar-cell">
      <div class="bar lost-time" style={{ left: `${left * 100}%`, width: `${(part(Math.max(begins, ends)) - left) * 100}%` }} />
    </div>
  );
}
