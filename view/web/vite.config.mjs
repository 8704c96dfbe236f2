import { readFileSync } from "node:fs";
import { defineConfig } from "vite";

// The exporter puts both files between tags of one page, so neither may hold what ends an element or opens a comment.
const BREAKS_OUT = /<(?=\/?script|!--|\/style)/gi;

function fitForInlining() {
  return {
    name: "fit-for-inlining",
    enforce: "post",
    generateBundle(_options, bundle) {
      this.emitFile({ type: "asset", fileName: "index.html", source: readFileSync("index.html", "utf8") });
      for (const file of Object.values(bundle)) {
        if (file.type === "chunk") {
          // In strings, templates and regular expressions alike this is the same character.
          file.code = file.code.replace(BREAKS_OUT, "\\x3c");
        } else if (BREAKS_OUT.test(String(file.source))) {
          this.error(`${file.fileName} cannot be put into a page`);
        }
      }
    },
  };
}

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: "es2023",
    cssCodeSplit: false,
    modulePreload: false,
    // A type is inlined as a data address otherwise, which the page's policy would refuse.
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: "src/main.tsx",
      output: { format: "iife", name: "tracewal", entryFileNames: "assets/app.js", assetFileNames: "assets/app[extname]" },
    },
  },
  plugins: [fitForInlining()],
});
