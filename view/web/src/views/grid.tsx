// The waterfall and the tree: the same rows, with a time axis or with columns.
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useChanges } from "../changes";
import { offset, plural } from "../format";
import { useKeys } from "../keys";
import { lossOf, withLosses } from "../losses";
import { usePage } from "../page";
import { Overview } from "../parts/overview";
import type { Session } from "../session";
import { KIND, layOut, STATUS } from "../skeleton";
import { ticks, TimeScale } from "../timescale";
import { useVirtual } from "../virtual";
import { LossRow } from "./lossrow";
import { useNarrow } from "./narrow";
import { SpanRow } from "./rows";
import { Axis, GapBands, useZoom } from "./zoom";

const ROW = 26;
const ROW_NARROW = 34;
/** Pixels from one label of the time axis to the next, at least. */
const TICK = 84;
/** Rows that leave the view are used again for those that come in: more than are ever in it. */
const POOL = 256;

type Only = "all" | "critical" | "trouble" | "calls";
const FILTERS: { name: Only; label: string; title: string }[] = [
  { name: "all", label: "All spans", title: "Every span" },
  { name: "calls", label: "Calls", title: "Model calls and tools alone" },
  { name: "critical", label: "Critical path", title: "The spans that decided how long it took" },
  { name: "trouble", label: "Errors", title: "What failed, or was interrupted" },
];

export function SpanGrid({ session, timeline, hits }: { session: Session; timeline: boolean; hits: ReadonlySet<number> }) {
  useChanges(session, session.rows);
  const { route, go } = usePage();
  const [closed, setClosed] = useState<ReadonlySet<number>>(new Set());
  const [only, setOnly] = useState<Only>("all");
  const [cutGaps, setCutGaps] = useState<boolean | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const narrow = useNarrow(760);
  const height = narrow ? ROW_NARROW : ROW;
  const { skeleton, summary } = session;
  useEffect(() => void session.loadSkeleton(), [session, summary === null]);
  const [, tick] = useState(0);
  const running = session.status === "running" && session.transport.mode === "served";
  useEffect(() => {
    const timer = running ? setInterval(() => tick((round) => round + 1), 1000) : undefined;
    return () => clearInterval(timer);
  }, [running]);

  const version = session.skeletonVersion;
  const critical = useMemo(() => new Set(summary?.criticalPath ?? []), [summary?.criticalPath]);
  const lost = summary?.lost;
  const spans = useMemo(() => {
    const keep =
      only === "all"
        ? null
        : only === "critical"
          ? (index: number) => critical.has(index)
          : only === "calls"
            ? (index: number) =>
                skeleton.kind[index] === KIND.generation || skeleton.kind[index] === KIND.tool || skeleton.kind[index] === KIND.agent
            : (index: number) => skeleton.status[index] === STATUS.error || skeleton.status[index] === STATUS.interrupted;
    return layOut(skeleton, closed, keep);
  }, [version, skeleton.count, closed, only, only === "critical" ? critical : null]);
  const laid = useMemo(() => withLosses(spans, skeleton.parent, lost ?? []), [spans, lost]);

  const now = session.now();
  const gaps = useMemo(
    () =>
      summary === null
        ? []
        : summary.gaps
            .map((gap) => ({ from: gap.from - summary.startedAt, to: gap.to - summary.startedAt }))
            .sort((a, b) => a.from - b.from),
    [summary?.gaps],
  );
  const last = Math.max(session.extent(), running ? now : 0, skeleton.first + 0.001);
  const idle = gaps.reduce((sum, gap) => sum + gap.to - gap.from, 0);
  const cutting = cutGaps ?? idle > (last - skeleton.first) * 0.4;
  const scale = useMemo(() => new TimeScale(skeleton.first, last, cutting ? gaps : []), [skeleton.first, last, cutting, gaps]);

  const virtual = useVirtual({
    count: laid.order.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 10,
  });
  useMemo(() => virtual.measure(), [height]);
  useKeepPlace(scroller, laid, height);

  const selected = route.span !== null && route.span < skeleton.count ? route.span : null;
  const cursor = selected === null ? -1 : (laid.place[selected] ?? -1);
  useEffect(() => {
    if (selected === null) {
      return;
    }
    if (cursor >= 0) {
      virtual.scrollToIndex(cursor, { align: "auto" });
    } else if (only === "all" && skeleton.count > selected) {
      setClosed(withoutAncestors(closed, skeleton.parent, selected));
    }
  }, [selected, session.skeletonLoaded, height]);

  const zoom = useZoom(scale, timeline);
  const select = (index: number) => go({ span: index }, selected !== null);
  const toggle = (index: number) => {
    const next = new Set(closed);
    if (!next.delete(index)) {
      next.add(index);
    }
    setClosed(next);
  };
  const acts = useRef({ select, toggle });
  acts.current = { select, toggle };
  const onSelect = useCallback((index: number) => acts.current.select(index), []);
  const onToggle = useCallback((index: number) => acts.current.toggle(index), []);
  const { from, to } = zoom;
  const shownAxis = useMemo(() => (timeline ? { scale, from, to } : null), [timeline, scale, from, to]);
  const moveTo = (place: number) => {
    const first = Math.max(0, Math.min(laid.order.length - 1, place));
    // What is lost is no span that could be selected: on to the next one, the way that was being gone, else back.
    const towards = (step: 1 | -1) => {
      let at = first;
      while ((laid.order[at] ?? 0) < 0) {
        at += step;
      }
      return laid.order[at];
    };
    const step = place < cursor ? -1 : 1;
    const index = towards(step) ?? towards(step === 1 ? -1 : 1);
    if (index !== undefined) {
      select(index);
    }
  };
  const next = (wanted: (index: number) => boolean, direction: 1 | -1) => {
    for (
      let place = (cursor < 0 ? (direction > 0 ? -1 : laid.order.length) : cursor) + direction;
      place >= 0 && place < laid.order.length;
      place += direction
    ) {
      if (wanted(laid.order[place] ?? 0)) {
        moveTo(place);
        return;
      }
    }
  };
  const inTrouble = (index: number) => skeleton.status[index] === STATUS.error || skeleton.status[index] === STATUS.interrupted;
  const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / height) - 1);

  useKeys(timeline ? "Waterfall" : "Tree", [
    { keys: ["ArrowDown", "j"], help: "next row", run: () => moveTo(cursor + 1) },
    { keys: ["ArrowUp", "k"], help: "previous row", run: () => moveTo(cursor < 0 ? 0 : cursor - 1) },
    {
      keys: ["ArrowRight"],
      help: "open the span's children, or go to the first",
      run: () => {
        if (selected !== null && closed.has(selected)) {
          toggle(selected);
        } else if (selected !== null && (laid.children[selected] ?? 0) > 0) {
          moveTo(cursor + 1);
        }
      },
    },
    {
      keys: ["ArrowLeft"],
      help: "close the span's children, or go to the parent",
      run: () => {
        if (selected !== null && (laid.children[selected] ?? 0) > 0 && !closed.has(selected)) {
          toggle(selected);
        } else if (selected !== null && selected > 0) {
          select(Math.max(0, skeleton.parent[selected] ?? 0));
        }
      },
    },
    { keys: ["PageDown"], help: "a page down", run: () => moveTo(cursor + page) },
    { keys: ["PageUp"], help: "a page up", run: () => moveTo(cursor - page) },
    { keys: ["Home"], help: "first row", run: () => moveTo(0) },
    { keys: ["End"], help: "last row", run: () => moveTo(laid.order.length - 1) },
    { keys: ["e"], help: "next error or interrupted span", run: () => next(inTrouble, 1) },
    { keys: ["E"], help: "previous error or interrupted span", run: () => next(inTrouble, -1) },
    {
      keys: ["x"],
      help: "close or open all below the session",
      run: () => setClosed(closed.size > 0 ? new Set() : parentsBelowRoot(laid.children)),
    },
    ...(timeline
      ? [
          { keys: ["w", "+", "="], help: "zoom in", run: () => zoom.by(0.5) },
          { keys: ["s", "-"], help: "zoom out", run: () => zoom.by(2) },
          { keys: ["a"], help: "earlier", run: () => zoom.pan(-0.2) },
          { keys: ["d"], help: "later", run: () => zoom.pan(0.2) },
          { keys: ["0"], help: "the whole trace", run: zoom.whole },
          {
            keys: ["f"],
            help: "zoom to the selected span",
            run: () =>
              selected !== null && zoom.show(scale.place(skeleton.start[selected] ?? 0), scale.place(skeleton.endOf(selected, now))),
          },
          { keys: ["g"], help: "cut idle time out of the axis, or show it", run: () => setCutGaps(!cutting) },
        ]
      : []),
  ]);

  if (summary === null) {
    return null;
  }
  const plotWidth = zoom.area.current?.querySelector(".axis")?.clientWidth ?? 600;
  const axis = timeline ? ticks(scale, from, to, Math.max(2, Math.floor(plotWidth / TICK))) : { step: 1, ticks: [] };
  return (
    <div class={`span-grid ${timeline ? "with-timeline" : "with-columns"}${narrow ? " narrow" : ""}`}>
      <div class="toolbar" role="toolbar" aria-label="Rows">
        <div class="segments" role="group" aria-label="Which spans">
          {FILTERS.map(({ name, label, title }) => (
            <button key={name} type="button" title={title} aria-pressed={only === name} onClick={() => setOnly(name)}>
              {label}
            </button>
          ))}
        </div>
        {timeline && (
          <>
            {gaps.length > 0 && (
              <label class="check" title="Time in which no model call and no tool ran (g)">
                <input type="checkbox" checked={cutting} onChange={() => setCutGaps(!cutting)} /> cut {plural(gaps.length, "gap")}
              </label>
            )}
            <span class="zoom-buttons" role="group" aria-label="Zoom">
              <button type="button" class="quiet" aria-label="Zoom out" title="Zoom out (s)" onClick={() => zoom.by(2)}>
                −
              </button>
              <button type="button" class="quiet" aria-label="Zoom in" title="Zoom in (w)" onClick={() => zoom.by(0.5)}>
                +
              </button>
              <button type="button" class="quiet" title="The whole trace (0)" onClick={zoom.whole}>
                Fit
              </button>
            </span>
          </>
        )}
        <span class="legend" aria-hidden="true">
          <i class="kind-generation" /> model <i class="kind-tool" /> tool <i class="kind-agent" /> agent <i class="is-error" /> error{" "}
          <i class="is-interrupted" /> interrupted
          {timeline && (
            <>
              {" "}
              <i class="underlined" /> critical path
            </>
          )}
        </span>
      </div>
      {timeline && (
        <div class="overview-row">
          <Overview session={session} scale={scale} from={from} to={to} now={running ? now : 0} onWindow={zoom.show} />
        </div>
      )}
      <div class="grid spans" ref={zoom.area}>
        <div class="grid-row head" role="presentation">
          <div class="cell name-cell">
            {session.skeletonLoaded ? plural(spans.order.length, "span") : `${plural(skeleton.count, "span")} …`}
          </div>
          {timeline ? (
            <div class="cell bar-cell axis">
              <Axis ticks={axis.ticks} step={axis.step} from={from} to={to} format={offset} />
            </div>
          ) : (
            <>
              <div class="cell c-state">Status</div>
              <div class="cell c-long numeric">Duration</div>
              <div class="cell c-tokens numeric">Tokens</div>
              <div class="cell c-cost numeric">Cost</div>
              <div class="cell c-model">Model</div>
            </>
          )}
        </div>
        <div
          class="scroll"
          ref={scroller}
          role="treegrid"
          tabIndex={0}
          aria-label={timeline ? "Waterfall of spans" : "Tree of spans"}
          aria-rowcount={laid.order.length}
          aria-activedescendant={cursor >= 0 ? `row-${selected}` : undefined}
        >
          {timeline && <GapBands scale={scale} gaps={gaps} ticks={axis.ticks} from={from} to={to} />}
          <div class="spacer" role="rowgroup" style={{ height: `${virtual.getTotalSize()}px` }}>
            {virtual.getVirtualItems().map((item) => {
              const index = laid.order[item.index] ?? 0;
              const loss = lossOf(index);
              const gone = loss < 0 ? undefined : lost?.[loss];
              if (gone !== undefined) {
                return (
                  <LossRow
                    key={item.index % POOL}
                    loss={loss}
                    lost={gone}
                    position={item.index}
                    top={item.start}
                    height={height}
                    depth={laid.depth[item.index] ?? 0}
                    axis={shownAxis}
                    startedAt={summary.startedAt}
                  />
                );
              }
              return (
                <SpanRow
                  key={item.index % POOL}
                  index={index}
                  position={item.index}
                  top={item.start}
                  height={height}
                  depth={laid.depth[item.index] ?? 0}
                  children_={laid.children[index] ?? 0}
                  open={!closed.has(index)}
                  selected={index === selected}
                  critical={critical.has(index)}
                  hit={hits.has(index)}
                  row={session.row(index)}
                  skeleton={skeleton}
                  version={version}
                  now={skeleton.isOpen(index) ? now : 0}
                  axis={shownAxis}
                  onSelect={onSelect}
                  onToggle={onToggle}
                />
              );
            })}
          </div>
        </div>
      </div>
    </div>
  );
}

/** Rows that come in above what is looked at must not push it away. */
function useKeepPlace(scroller: { current: HTMLDivElement | null }, laid: { order: Int32Array; place: Int32Array }, height: number): void {
  const before = useRef(laid);
  useLayoutEffect(() => {
    const element = scroller.current;
    const old = before.current;
    before.current = laid;
    if (element === null || old === laid || element.scrollTop === 0) {
      return;
    }
    const top = Math.floor(element.scrollTop / height);
    const index = old.order[top];
    const place = index === undefined ? -1 : (laid.place[index] ?? -1);
    if (place >= 0 && place !== top) {
      element.scrollTop += (place - top) * height;
    }
  }, [laid, height]);
}

function withoutAncestors(closed: ReadonlySet<number>, parent: Int32Array, index: number): ReadonlySet<number> {
  const open = new Set(closed);
  for (let at = index, steps = 0; at >= 0 && steps < parent.length; at = parent[at] ?? -1, steps += 1) {
    open.delete(at);
  }
  return open;
}

function parentsBelowRoot(children: Int32Array): ReadonlySet<number> {
  const parents = new Set<number>();
  children.forEach((count, index) => {
    if (index > 0 && count > 0) {
      parents.add(index);
    }
  });
  return parents;
}
