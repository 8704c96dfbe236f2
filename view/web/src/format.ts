// Numbers and times as people read them.
import type { Classes } from "./trace";

const count = new Intl.NumberFormat("en-US");
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export function number(value: number): string {
  return count.format(value);
}

export function shortNumber(value: number): string {
  return value < 10_000 ? count.format(value) : compact.format(value);
}

/** `850 ms`, `12.8 s`, `3 m 07 s`, `2 h 04 m`, `3 d 04 h`. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) {
    return "–";
  }
  if (ms < 1) {
    return ms <= 0 ? "0 ms" : `${Math.max(1, Math.round(ms * 1000))} µs`;
  }
  if (ms < 999.5) {
    return `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
  }
  if (ms < 59_950) {
    return `${(ms / 1000).toFixed(1)} s`;
  }
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) {
    return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) {
    return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`;
  }
  return `${number(Math.floor(minutes / 1440))} d ${two(Math.floor((minutes % 1440) / 60))} h`;
}

export function money(value: number | null | undefined, estimated = false): string {
  if (value === null || value === undefined) {
    return "–";
  }
  const digits = value !== 0 && Math.abs(value) < 0.0001 ? 6 : Math.abs(value) < 100 ? 4 : 2;
  return `${estimated ? "~" : ""}$${value.toFixed(digits)}`;
}

export function bytes(value: number): string {
  if (value < 1024) {
    return `${value} B`;
  }
  const units = ["KiB", "MiB", "GiB"];
  let scaled = value / 1024;
  let unit = 0;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${scaled.toFixed(1)} ${units[unit]}`;
}

export function totalTokens(tokens: Partial<Classes> | null | undefined): number | null {
  if (tokens === null || tokens === undefined) {
    return null;
  }
  return (tokens.input ?? 0) + (tokens.output ?? 0) + (tokens.reasoning ?? 0) + (tokens.cacheRead ?? 0) + (tokens.cacheWrite ?? 0);
}

/** Local date and time; a date that no calendar has is shown as its number. */
export function dateTime(ms: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) {
    return `${ms} ms`;
  }
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(ms)}`;
}

export function clock(ms: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) {
    return `${ms} ms`;
  }
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export function clockMs(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : `${clock(ms)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Time since the session's start, for axes: precise enough for the step. */
export function offset(ms: number, step: number): string {
  if (step < 1) {
    return `${ms.toFixed(step < 0.01 ? 3 : 2)} ms`;
  }
  if (step < 1000 && Math.abs(ms) < 10_000) {
    return `${Math.round(ms)} ms`;
  }
  const sign = ms < 0 ? "-" : "";
  const whole = Math.abs(ms);
  if (whole < 60_000) {
    return `${sign}${(whole / 1000).toFixed(step < 100 ? 2 : step < 1000 ? 1 : 0)} s`;
  }
  const seconds = whole / 1000;
  const fraction = step < 1000 ? (seconds % 1).toFixed(1).slice(1) : "";
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = two(Math.floor(seconds % 60)) + fraction;
  if (hours >= 48) {
    return `${sign}${Math.floor(hours / 24)}d ${two(hours % 24)}:${two(minutes)}`;
  }
  return hours > 0 ? `${sign}${hours}:${two(minutes)}:${rest}` : `${sign}${minutes}:${rest}`;
}

export function plural(value: number, word: string, many = `${word}s`): string {
  return `${number(value)} ${value === 1 ? word : many}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
