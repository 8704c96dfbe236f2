// Which inputs of tools are changes to files, and how they differ.
import { structuredPatch } from "diff";

export interface Edit {
  file: string;
  lines: DiffLine[];
  added: number;
  removed: number;
}

export interface DiffLine {
  sign: "+" | "-" | " " | "@";
  text: string;
  /** Line numbers before and after, where they are known. */
  before?: number;
  after?: number;
}

const CONTEXT = 3;
const GIVE_UP_AFTER_MS = 250;

/** The changes in a tool's input; empty when it is something else. */
export function editsOf(input: unknown): Edit[] {
  const value = typeof input === "string" ? parsed(input) : input;
  if (typeof value === "string") {
    return looksLikePatch(value) ? [fromPatch(value, "")] : [];
  }
  if (value === null || typeof value !== "object") {
    return [];
  }
  const fields = value as Record<string, unknown>;
  const file = firstText(fields, ["file_path", "filePath", "path", "file", "notebook_path"]) ?? "";
  const several = fields["edits"];
  if (Array.isArray(several)) {
    return several.flatMap((one: unknown) => replacement(one, file));
  }
  const one = replacement(fields, file);
  if (one.length > 0) {
    return one;
  }
  for (const name of ["patch", "diff", "input", "unified_diff", "command"]) {
    const text = fields[name];
    const patch = Array.isArray(text) ? text.find((part): part is string => typeof part === "string" && looksLikePatch(part)) : text;
    if (typeof patch === "string" && looksLikePatch(patch)) {
      return [fromPatch(patch, file)];
    }
  }
  const content = firstText(fields, ["content", "contents", "file_text"]);
  return file !== "" && content !== undefined ? between("", content, file) : [];
}

function replacement(input: unknown, file: string): Edit[] {
  if (input === null || typeof input !== "object") {
    return [];
  }
  const fields = input as Record<string, unknown>;
  const before = firstText(fields, ["old_string", "oldString", "oldText", "old_str", "old"]);
  const after = firstText(fields, ["new_string", "newString", "newText", "new_str", "new"]);
  return before === undefined || after === undefined ? [] : between(before, after, file);
}

function between(before: string, after: string, file: string): Edit[] {
  const patch = structuredPatch(file, file, before, after, undefined, undefined, { context: CONTEXT, timeout: GIVE_UP_AFTER_MS });
  if (patch === undefined) {
    const all = [...lines(before, "-"), ...lines(after, "+")];
    return [{ file, lines: all, added: after.split("\n").length, removed: before.split("\n").length }];
  }
  const shown: DiffLine[] = [];
  for (const [place, hunk] of patch.hunks.entries()) {
    if (place > 0) {
      shown.push({ sign: "@", text: "⋯" });
    }
    let old = hunk.oldStart;
    let now = hunk.newStart;
    for (const line of hunk.lines) {
      const sign = line[0];
      const text = line.slice(1);
      if (sign === "-") {
        shown.push({ sign, text, before: old });
        old += 1;
      } else if (sign === "+") {
        shown.push({ sign, text, after: now });
        now += 1;
      } else if (sign === " ") {
        shown.push({ sign, text, before: old, after: now });
        old += 1;
        now += 1;
      }
    }
  }
  return [edit(file, shown)];
}

function fromPatch(patch: string, file: string): Edit {
  const shown = patch.split("\n").map((line): DiffLine => {
    if (/^(\+\+\+|---|diff |index |@@|\*\*\* )/.test(line)) {
      return { sign: "@", text: line };
    }
    const sign = line[0];
    return sign === "+" || sign === "-" ? { sign, text: line.slice(1) } : { sign: " ", text: line.replace(/^ /, "") };
  });
  return edit(file, shown);
}

function edit(file: string, shown: DiffLine[]): Edit {
  return {
    file,
    lines: shown,
    added: shown.filter(({ sign }) => sign === "+").length,
    removed: shown.filter(({ sign }) => sign === "-").length,
  };
}

export function looksLikePatch(text: string): boolean {
  return /^(diff --git |--- \S|\*\*\* Begin Patch|@@ -\d)/m.test(text) && /^[+-]/m.test(text);
}

function lines(text: string, sign: "+" | "-"): DiffLine[] {
  return text.split("\n").map((line) => ({ sign, text: line }));
}

function firstText(fields: Record<string, unknown>, names: string[]): string | undefined {
  return names.map((name) => fields[name]).find((value): value is string => typeof value === "string");
}

function parsed(text: string): unknown {
  if (!/^\s*[{[]/.test(text)) {
    return text;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
