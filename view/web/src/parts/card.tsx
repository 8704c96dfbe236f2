import type { ComponentChildren } from "preact";

export function Card({ title, class_ = "", children }: { title: ComponentChildren; class_?: string; children: ComponentChildren }) {
  return (
    <section class={`card ${class_}`}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}
