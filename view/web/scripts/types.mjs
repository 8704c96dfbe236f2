// Types of the canonical trace, from its schema: `src/trace.d.ts`, committed.
import { readFileSync, writeFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";

const schema = JSON.parse(readFileSync(new URL("../../../docs/trace.schema.json", import.meta.url), "utf8"));

// Conditions narrow which values go together; as types they only make unions that nobody can read.
function withoutConditions(node) {
  if (Array.isArray(node)) {
    return node.map(withoutConditions);
  }
  if (node === null || typeof node !== "object") {
    return node;
  }
  const kept = {};
  for (const [key, value] of Object.entries(node)) {
    if (["if", "then", "else", "not", "dependentRequired", "minItems", "maxItems", "prefixItems"].includes(key)) {
      continue;
    }
    if (key === "unevaluatedProperties") {
      continue;
    }
    if (key === "allOf") {
      const rest = value.filter((part) => !("if" in part));
      if (rest.length > 0) {
        kept.allOf = withoutConditions(rest);
      }
      continue;
    }
    kept[key] = withoutConditions(value);
  }
  return kept;
}

const simple = withoutConditions(schema);
simple.title = "Trace";
const text = await compile(simple, "Trace", {
  additionalProperties: false,
  bannerComment: "// Made from docs/trace.schema.json by scripts/types.mjs.",
  unreachableDefinitions: false,
});
writeFileSync(new URL("../src/trace.d.ts", import.meta.url), text);
