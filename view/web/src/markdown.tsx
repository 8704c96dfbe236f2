// Markdown of a trace: hostile input. HTML in it is shown as text, pictures as their description, links as buttons that ask first.
import DOMPurify from "dompurify";
import { Marked } from "marked";
import { useLayoutEffect, useRef } from "preact/hooks";
import { askToOpen } from "./links";

const RENDERED_CHARACTERS = 100_000;

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (character) => escapes[character] ?? character);

const marked = new Marked({
  gfm: true,
  breaks: true,
  async: false,
  renderer: {
    html: ({ text }) => escapeHtml(text),
    image: ({ href, text }) => `<code>${escapeHtml(`[picture${text === "" ? "" : `: ${text}`}] ${href}`)}</code>`,
  },
});

const ALLOWED_TAGS = [
  "p",
  "br",
  "hr",
  "h1",
  "h2",
  "h3",
  "h4",
  "h5",
  "h6",
  "ul",
  "ol",
  "li",
  "blockquote",
  "pre",
  "code",
  "em",
  "strong",
  "del",
  "a",
  "table",
  "thead",
  "tbody",
  "tr",
  "th",
  "td",
];

function safeMarkdown(text: string): DocumentFragment {
  const html = marked.parse(text) as string;
  const fragment = DOMPurify.sanitize(html, {
    ALLOWED_TAGS,
    ALLOWED_ATTR: ["href", "start"],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
  fragment.querySelectorAll("a").forEach((link) => link.replaceWith(linkButton(link)));
  // A trace's headings are below the page's own.
  fragment.querySelectorAll("h1, h2, h3, h4, h5, h6").forEach((heading) => {
    const paragraph = document.createElement("p");
    paragraph.className = `heading ${heading.localName}`;
    paragraph.append(...heading.childNodes);
    heading.replaceWith(paragraph);
  });
  fragment.querySelectorAll("pre, table").forEach((wide) => {
    const around = document.createElement("div");
    around.className = "wide";
    around.tabIndex = 0;
    around.setAttribute("role", "group");
    around.setAttribute("aria-label", wide.localName === "pre" ? "Code" : "Table");
    wide.replaceWith(around);
    around.append(wide);
  });
  return fragment;
}

function linkButton(link: HTMLAnchorElement): HTMLElement {
  const address = link.getAttribute("href") ?? "";
  if (!/^(https?|mailto):/i.test(address)) {
    const plain = document.createElement("span");
    plain.append(...link.childNodes, address === "" || address === link.textContent ? "" : ` (${address})`);
    return plain;
  }
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link";
  button.title = address;
  button.append(...link.childNodes);
  button.addEventListener("click", () => askToOpen(address));
  return button;
}

export function Markdown({ text }: { text: string }) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const cut = text.length > RENDERED_CHARACTERS ? `${text.slice(0, RENDERED_CHARACTERS)}\n\n…` : text;
    try {
      place.current?.replaceChildren(safeMarkdown(cut));
    } catch {
      // Whatever the text does to the parser, it is shown.
      place.current?.replaceChildren(text);
    }
  }, [text]);
  return <div class="markdown" ref={place} />;
}
