// The documents that the server sends and the single file holds. Times are milliseconds since the epoch.
import type { Classes, Close, Incident, Metadata, Run, Span, Summary, Wal } from "./trace";

export type Status = "completed" | "error" | "running" | "crashed" | "unreadable";

export interface Meta {
  version: string;
  mode: "served" | "file";
  session?: string;
  store?: string;
}

export interface SessionRow {
  id: string;
  title?: string | null;
  status: Status;
  agent?: string | null;
  models?: string[];
  startedAt: number;
  endedAt?: number | null;
  duration?: number | null;
  cost?: number | null;
  /** The cost is an estimate. */
  costEstimated?: boolean;
  tokens?: Partial<Classes> | null;
  spans: number;
  /** Not known where the store's index alone was asked. */
  errors: number | null;
  cause?: string | null;
  /** Somebody is writing to it. */
  live?: boolean;
  lostEvents?: number | null;
}

export interface SessionsList {
  version?: number;
  sessions: SessionRow[];
}

export interface SessionsChanged {
  changed: SessionRow[];
  gone: string[];
}

export interface CrashReport {
  reason: string;
  signal?: string | null;
  exception?: { type: string; message: string; stack?: string } | null;
  open: number[];
  openTotal?: number;
  lastEvent?: { seq: number; time: number; type: string } | null;
}

export interface Lost {
  afterSeq?: number | null;
  first?: number | null;
  last?: number | null;
  kind: string;
  where: string;
  /** The span that was the last to begin before it. */
  afterSpan?: number | null;
  /** The times of the events around it. */
  from?: number | null;
  to?: number | null;
}

export interface ToldIncident extends Incident {
  sentence?: string;
  advice?: string;
}

export interface ToldIncidents {
  terminal?: ToldIncident;
  laterIncidents?: ToldIncident[];
  recoveredIncidents?: ToldIncident[];
  recoveredOmitted?: number;
}

export interface ByModel {
  model: string;
  calls: number;
  errors: number;
  tokens: Partial<Classes>;
  cost?: number | null;
  costEstimated?: number | null;
  duration: number;
}

export interface ByTool {
  tool: string;
  calls: number;
  errors: number;
  interrupted: number;
  duration: number;
}

export interface Loop {
  tool: string;
  input: string;
  count: number;
  spans: number[];
}

export interface FileTouched {
  path: string;
  reads: number;
  writes: number;
  spans: number[];
}

export interface CommandRun {
  command: string;
  status: number;
  span: number;
}

export interface OverTime {
  t0: number;
  step: number;
  cost: number[];
  input: number[];
  output: number[];
}

export interface Chunked {
  skeleton: number;
  rows: number;
  chat: number;
  log: number;
}

export interface SessionSummary {
  id: string;
  title?: string | null;
  status: Status;
  agent?: string | null;
  directory?: string | null;
  startedAt: number;
  endedAt?: number | null;
  at: number;
  prompt?: string | null;
  promptCut?: boolean;
  answer?: string | null;
  answerCut?: boolean;
  summary: Summary;
  metadata?: Metadata;
  runs?: Run[];
  wal?: Wal;
  writer?: Writer;
  /** The writer is dead, and the store cannot be written, so its log does not say so yet. */
  unrecorded?: boolean;
  close?: Close | null;
  incidents?: ToldIncidents | null;
  sentences?: { ending?: string | null; advice?: string | null } | null;
  crash?: CrashReport | null;
  lost?: Lost[];
  logEntries?: number;
  chatMessages?: number;
  counts: { spans: number; generations: number; tools: number; errors: number; interrupted: number; events: number };
  /** What it may have cost, where it does not say so itself; and the models without a price. */
  estimate?: { dollars: number | null; unpriced: string[] } | null;
  byModel: ByModel[];
  byTool: ByTool[];
  errors: { span: number; name: string; message: string }[];
  loops: Loop[];
  files: FileTouched[];
  filesTotal?: number;
  commands: CommandRun[];
  commandsTotal?: number;
  overTime?: OverTime | null;
  criticalPath: number[];
  gaps: { from: number; to: number }[];
  chunks: Chunked;
  sizes: Chunked;
  version: number;
}

export interface SkeletonChunk {
  from: number;
  parent: number[];
  start: number[];
  end: number[];
  kind: number[];
  status: number[];
}

export interface Row {
  id: string;
  name: string;
  kind: string;
  status: number;
  start: number;
  end: number;
  model?: string | null;
  tokens?: Partial<Classes> | null;
  cost?: number | null;
  error?: string | null;
  preview?: string | null;
}

export interface RowsChunk {
  from: number;
  rows: Row[];
}

export interface SpanDetail {
  index: number;
  span: Span;
  cut?: { field: string; bytes: number; json?: boolean }[];
  children: number[];
  parent: number;
  siblings?: { previous?: number | null; next?: number | null };
}

export interface ChatTool {
  span: number;
  name: string;
  status: number;
  inputPreview?: string | null;
  outputPreview?: string | null;
}

export interface Message {
  role: "user" | "assistant" | "tool" | "system" | "note" | "gap" | "crash";
  span?: number | null;
  time?: number | null;
  text?: string | null;
  reasoning?: string | null;
  tools?: ChatTool[];
  toolsTotal?: number;
  cut?: unknown;
}

export interface ChatChunk {
  from: number;
  messages: Message[];
}

export interface LogEvent {
  /** A crash that stands in the log's header, where the dying process could still write, has none. */
  seq: number | null;
  time: number;
  type: string;
  span?: number | null;
  text?: string | null;
}

export interface LogGap {
  gap: { first?: number | null; last?: number | null; kind: string; where: string };
}

export type LogEntry = LogEvent | LogGap;

export interface LogChunk {
  from: number;
  entries: LogEntry[];
}

/** Which entries of the log are wanted; what is empty or absent does not matter. */
export interface LogFilter {
  text: string;
  type: string;
  span: number | null;
}

/** The positions of wanted entries among those before `to`. */
export interface FoundEntries {
  found: number[];
  to: number;
}

export interface Hit {
  span: number;
  field: string;
  before: string;
  match: string;
  after: string;
}

export interface SearchResult {
  hits: Hit[];
  more: boolean;
}

export type Writer = "alive" | "dead" | "none";

export interface SessionChanged {
  version: number;
  status: Status;
  skeleton: [number, number, number, number, number, number][];
  spans: number;
  logEntries: number;
  chatMessages: number;
  writer: Writer;
  /** The log was repaired: indexes are no longer what they were. */
  reset?: boolean;
  /** More spans changed than are worth sending: `skeleton` is empty, and has to be fetched. */
  many?: boolean;
}

export function isGap(entry: LogEntry): entry is LogGap {
  return "gap" in entry;
}
