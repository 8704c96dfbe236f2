// One row of the waterfall and of the tree.
import type { ComponentChildren } from "preact";
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

export interface RowState {
  index: number;
  depth: number;
  children: number;
  open: boolean;
  selected: boolean;
  critical: boolean;
  hit: boolean;
}

interface Props {
  state: RowState;
  position: number;
  top: number;
  height: number;
  row: Row | undefined;
  skeleton: Skeleton;
  now: number;
  onSelect: (index: number) => void;
  onToggle: (index: number) => void;
  children: ComponentChildren;
}

export function SpanRow({ state, position, top, height, row, skeleton, now, onSelect, onToggle, children }: Props) {
  const { index } = state;
  const kind = skeleton.kind[index] ?? 3;
  const status = STATUS_NAMES[skeleton.status[index] ?? 0] ?? "ok";
  const name = row === undefined ? "…" : row.name === "" ? "(no name)" : row.name;
  const long = duration(skeleton.endOf(index, now) - (skeleton.start[index] ?? 0));
  const classes = ["grid-row", "item", `kind-${KIND_NAMES[kind]}`, `is-${status}`];
  if (state.selected) {
    classes.push("selected");
  }
  if (state.critical) {
    classes.push("critical");
  }
  if (state.hit) {
    classes.push("hit");
  }
  return (
    <div
      id={`row-${index}`}
      role="row"
      class={classes.join(" ")}
      aria-level={state.depth + 1}
      aria-rowindex={position + 1}
      aria-selected={state.selected}
      aria-expanded={state.children > 0 ? state.open : undefined}
      aria-label={`${SIGN_TITLES[kind]} ${name}, ${status}, ${long}`}
      style={{ transform: `translateY(${top}px)`, height: `${height}px` }}
      onClick={() => onSelect(index)}
    >
      <div role="gridcell" class="cell name-cell" style={{ paddingLeft: `${6 + Math.min(state.depth, DEEPEST) * INDENT}px` }}>
        {state.children > 0 ? (
          <button type="button" class="twisty" tabIndex={-1} aria-label={state.open ? "Close" : "Open"}
            onClick={(event) => { event.stopPropagation(); onToggle(index); }}>
            {state.open ? "▾" : "▸"}
          </button>
        ) : <span class="twisty" />}
        <span class="kind-sign" aria-hidden="true" title={SIGN_TITLES[kind]}>{SIGNS[kind]}</span>
        {status !== "ok" && <span class={`sign ${status}`} title={status}>{statusSign(status)}</span>}
        <span class="row-name">{name}</span>
        {state.children > 0 && !state.open && <span class="count">{state.children}</span>}
        <span class="preview muted">{row?.error ?? brief(row?.preview ?? "")}</span>
      </div>
      {children}
    </div>
  );
}

export function TimelineCell({ skeleton, index, scale, from, to, now }: { skeleton: Skeleton; index: number; scale: TimeScale; from: number; to: number; now: number }) {
  const start = skeleton.start[index] ?? 0;
  const end = skeleton.endOf(index, now);
  const left = (scale.place(start) - from) / (to - from);
  const right = (scale.place(end) - from) / (to - from);
  if (right < 0 || left > 1) {
    return <div role="gridcell" class="cell bar-cell"><span class={`beyond ${right < 0 ? "before" : "after"}`} aria-hidden="true">{right < 0 ? "‹" : "›"}</span></div>;
  }
  const shownLeft = Math.max(left, -0.01);
  const shownRight = Math.min(right, 1.01);
  const label = duration(end - start);
  const side = shownRight < 0.86 ? "after" : shownLeft > 0.14 ? "before" : "inside";
  const place = side === "after" ? { left: `calc(${shownRight * 100}% + 6px)` } : side === "before" ? { right: `calc(${(1 - shownLeft) * 100}% + 4px)` } : { right: "8px" };
  return (
    <div role="gridcell" class="cell bar-cell">
      <div class="bar" style={{ left: `${shownLeft * 100}%`, width: `${(shownRight - shownLeft) * 100}%` }} />
      <span class={`bar-label ${side}`} style={place}>{label}</span>
    </div>
  );
}

export function DetailCells({ skeleton, index, row, now }: { skeleton: Skeleton; index: number; row: Row | undefined; now: number }) {
  const tokens = totalTokens(row?.tokens);
  const status = STATUS_NAMES[skeleton.status[index] ?? 0] ?? "ok";
  return (
    <>
      <div role="gridcell" class={`cell c-state sign-text ${status}`}>{statusSign(status)} {status}</div>
      <div role="gridcell" class="cell c-long numeric">{duration(skeleton.endOf(index, now) - (skeleton.start[index] ?? 0))}</div>
      <div role="gridcell" class="cell c-tokens numeric">{tokens === null ? "" : shortNumber(tokens)}</div>
      <div role="gridcell" class="cell c-cost numeric">{row?.cost === null || row?.cost === undefined ? "" : money(row.cost)}</div>
      <div role="gridcell" class="cell c-model ellipsis">{row?.model ?? ""}</div>
    </>
  );
}
