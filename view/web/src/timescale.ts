// From times to places on the axis. Where nothing ran for long, the axis can be cut, so that what did run stays visible.

export interface Gap {
  from: number;
  to: number;
}

/** What is left of a gap that has been cut, as a part of the time in which something ran. */
const LEFT_OF_GAP = 0.015;

export class TimeScale {
  readonly gaps: readonly Gap[];
  private readonly keeps: number;

  /** All times in milliseconds from the session's start; gaps in order, not overlapping. No gaps: the axis is plain time. */
  constructor(
    readonly first: number,
    readonly last: number,
    gaps: readonly Gap[],
  ) {
    const inside = gaps.filter((gap) => gap.from >= first && gap.to <= last && gap.to > gap.from);
    const busy = Math.max(1, last - first - inside.reduce((sum, gap) => sum + gap.to - gap.from, 0));
    this.keeps = busy * LEFT_OF_GAP;
    this.gaps = inside.filter((gap) => gap.to - gap.from > this.keeps);
  }

  get length(): number {
    return Math.max(this.place(this.last), 0.001);
  }

  /** Where a time stands on the axis, from 0. */
  place(time: number): number {
    let cut = 0;
    for (const gap of this.gaps) {
      if (time <= gap.from) {
        break;
      }
      const length = gap.to - gap.from;
      const passed = Math.min(time, gap.to) - gap.from;
      cut += passed * (1 - this.keeps / length);
    }
    return time - this.first - cut;
  }

  /** The time at a place on the axis. */
  time(place: number): number {
    let time = place + this.first;
    for (const gap of this.gaps) {
      if (time <= gap.from) {
        break;
      }
      const length = gap.to - gap.from;
      const into = Math.min(time - gap.from, this.keeps);
      time += into * (length / this.keeps - 1);
    }
    return time;
  }
}

export interface Tick {
  place: number;
  time: number;
}

const STEPS = [1, 2, 5];
const LONG_STEPS = [
  1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000,
  21_600_000, 43_200_000, 86_400_000,
];

/** A round step that cuts `span` into at most `most` parts. */
export function stepFor(span: number, most: number): number {
  const wanted = span / most;
  if (wanted >= 1000) {
    const days = 86_400_000;
    return LONG_STEPS.find((step) => step >= wanted) ?? Math.ceil(wanted / days) * days;
  }
  const power = 10 ** Math.floor(Math.log10(Math.max(wanted, 1e-6)));
  return (STEPS.find((step) => step * power >= wanted) ?? 10) * power;
}

export function ticks(scale: TimeScale, from: number, to: number, most: number): { step: number; ticks: Tick[] } {
  const step = stepFor(to - from, most);
  const found: Tick[] = [];
  const start = scale.time(from);
  const end = scale.time(to);
  const apart = (to - from) / most / 2;
  let at = Math.ceil(start / step) * step;
  for (let tries = 0; at <= end && tries < 500; tries += 1) {
    const gap = scale.gaps.find((each) => at > each.from && at < each.to);
    if (gap !== undefined) {
      at = Math.ceil(gap.to / step) * step;
      continue;
    }
    const place = scale.place(at);
    const last = found.at(-1);
    if (last === undefined || place - last.place >= apart) {
      found.push({ place, time: at });
    }
    at += step;
  }
  return { step, ticks: found };
}
