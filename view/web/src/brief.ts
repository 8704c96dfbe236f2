// One line of what a call was about: previews are cut, so they cannot be parsed. What is done to what says most, else the first text.
const NAMED = /^\{.*?"(?:file_path|filePath|notebook_path|command|cmd|path)":\s*"((?:[^"\\]|\\.)*)/;
const FIRST_TEXT = /^\{(?:"[^"]{1,60}":\s*(?:true|false|null|[-+.0-9eE]+),\s*)*"[^"]{1,60}":\s*"((?:[^"\\]|\\.)*)/;

export function brief(preview: string): string {
  const first = (NAMED.exec(preview) ?? FIRST_TEXT.exec(preview))?.[1];
  if (first === undefined || first.length < 2) {
    return preview.replace(/\*\*|`{1,3}/g, "");
  }
  try {
    return (JSON.parse(`"${first}"`) as string).replace(/\s+/g, " ");
  } catch {
    return first;
  }
}
