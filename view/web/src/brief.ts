// One line of what a call was about: previews are cut, so they cannot be parsed, and the first text in them says most.
const FIRST_TEXT = /^\{"[^"]{1,60}":\s*"((?:[^"\\]|\\.)*)/;

export function brief(preview: string): string {
  const first = FIRST_TEXT.exec(preview)?.[1];
  if (first === undefined || first.length < 2) {
    return preview.replace(/\*\*|`{1,3}/g, "");
  }
  try {
    return (JSON.parse(`"${first}"`) as string).replace(/\s+/g, " ");
  } catch {
    return first;
  }
}
