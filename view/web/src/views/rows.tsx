// One row of the waterfall and of the tree.
import { Component } from "preact";
import type { Row } from "../api";
import { brief } from "../brief";
import { duration, money, shortNumber, totalTokens } from "../format";
import { statusSign } from "../parts/status";
import { KIND_NAMES, type Skeleton, STATUS_NAMES } from "../skeleton";
import type { TimeScale } from "../timescale";

const INDENT = 14;
const DEEPEST = 18;
const SIGNS = ["◆", "✦", "▸", "·"];
const SIGN_TITLES = ["agent or session", "model call", "tool call", "other"];

export interface RowProps {
  index: number;
  /** Where the row stands among all of them, and from the top. */
  position: number;
  top: number;
  height: number;
  depth: number;
  children_: number;
  open: boolean;
  selected: boolean;
  critical: boolean;
  hit: boolean;
  row: Row | undefined;
  skeleton: Skeleton;
  /** Changes whenever the skeleton does. */
  version: number;
  now: number;
  /** The time axis; without it the row has columns. */
  axis: { scale: TimeScale; from: number; to: number } | null;
  onSelect: (index: number) => void;
  onToggle: (index: number) => void;
}

/** Drawn again only when something in it has changed: while scrolling most rows merely stay. */
export class SpanRow extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    return (Object.keys(next) as (keyof RowProps)[]).some((name) => next[name] !== this.props[name]);
  }

  override render() {
    return drawRow(this.props);
  }
}

function drawRow({
  index,
  position,
  top,
  height,
  depth,
  children_,
  open,
  selected,
  critical,
  hit,
  row,
  skeleton,
  now,
  axis,
  onSelect,
  onToggle,
}: RowProps) {
  const kind = skeleton.kind[index] ?? 3;
  const status = STATUS_NAMES[skeleton.status[index] ?? 0] ?? "ok";
  const name = row === undefined ? "…" : row.name === "" ? "(no name)" : row.name;
  const long = duration(skeleton.endOf(index, now) - (skeleton.start[index] ?? 0));
  const classes = ["grid-row", "item", `kind-${KIND_NAMES[kind]}`, `is-${status}`];
  if (selected) {
    classes.push("selected");
  }
  if (critical) {
    classes.push("critical");
  }
  if (hit) {
    classes.push("hit");
  }
  return (
    <div
      id={`row-${index}`}
      role="row"
      class={classes.join(" ")}
      aria-level={depth + 1}
      aria-rowindex={position + 1}
      aria-selected={selected}
      aria-expanded={children_ > 0 ? open : undefined}
      aria-label={`${SIGN_TITLES[kind]} ${name}, ${status}, ${long}`}
      style={{ transform: `translateY(${top}px)`, height: `${height}px` }}
      onClick={() => onSelect(index)}
    >
      <div role="gridcell" class="cell name-cell" style={{ paddingLeft: `${6 + Math.min(depth, DEEPEST) * INDENT}px` }}>
        {children_ > 0 ? (
          <button
            type="button"
            class="twisty"
            tabIndex={-1}
            aria-label={open ? "Close" : "Open"}
            onClick={(event) => {
              event.stopPropagation();
              onToggle(index);
            }}
          >
            {open ? "▾" : "▸"}
          </button>
        ) : (
          <span class="twisty" />
        )}
        <span class="kind-sign" aria-hidden="true" title={SIGN_TITLES[kind]}>
          {SIGNS[kind]}
        </span>
        {status !== "ok" && (
          <span class={`sign ${status}`} title={status}>
            {statusSign(status)}
          </span>
        )}
        <span class="row-name">{name}</span>
        {children_ > 0 && !open && <span class="count">{children_}</span>}
        <span class="preview muted">{row?.error ?? brief(row?.preview ?? "")}</span>
      </div>
      {axis !== null ? (
        <TimelineCell skeleton={skeleton} index={index} axis={axis} now={now} />
      ) : (
        <DetailCells skeleton={skeleton} index={index} row={row} now={now} />
      )}
    </div>
  );
}

function TimelineCell({
  skeleton,
  index,
  axis,
  now,
}: {
  skeleton: Skeleton;
  index: number;
  axis: NonNullable<RowProps["axis"]>;
  now: number;
}) {
  const { scale, from, to } = axis;
  const start = skeleton.start[index] ?? 0;
  const end = skeleton.endOf(index, now);
  const left = (scale.place(start) - from) / (to - from);
  const right = (scale.place(end) - from) / (to - from);
  if (right < 0 || left > 1) {
    return (
      <div role="gridcell" class="cell bar-cell">
        <span class={`beyond ${right < 0 ? "before" : "after"}`} aria-hidden="true">
          {right < 0 ? "‹" : "›"}
        </span>
      </div>
    );
  }
  const shownLeft = Math.max(left, -0.01);
  const shownRight = Math.min(right, 1.01);
  const label = duration(end - start);
  const side = shownRight < 0.86 ? "after" : shownLeft > 0.14 ? "before" : "inside";
  const place =
    side === "after"
      ? { left: `calc(${shownRight * 100}% + 6px)` }
      : side === "before"
        ? { right: `calc(${(1 - shownLeft) * 100}% + 4px)` }
        : { right: "8px" };
  return (
    <div role="gridcell" class="cell bar-cell">
      <div class="bar" style={{ left: `${shownLeft * 100}%`, width: `${(shownRight - shownLeft) * 100}%` }} />
      <span class={`bar-label ${side}`} style={place}>
        {label}
      </span>
    </div>
  );
}

function DetailCells({ skeleton, index, row, now }: { skeleton: Skeleton; index: number; row: Row | undefined; now: number }) {
  const tokens = totalTokens(row?.tokens);
  const status = STATUS_NAMES[skeleton.status[index] ?? 0] ?? "ok";
  return (
    <>
      <div role="gridcell" class={`cell c-state sign-text ${status}`}>
        {statusSign(status)} {status}
      </div>
      <div role="gridcell" class="cell c-long numeric">
        {duration(skeleton.endOf(index, now) - (skeleton.start[index] ?? 0))}
      </div>
      <div role="gridcell" class="cell c-tokens numeric">
        {tokens === null ? "" : shortNumber(tokens)}
      </div>
      <div role="gridcell" class="cell c-cost numeric">
        {row?.cost === null || row?.cost === undefined ? "" : money(row.cost)}
      </div>
      <div role="gridcell" class="cell c-model ellipsis">
        {row?.model ?? ""}
      </div>
    </>
  );
}
