// A link in a trace leads where its writer wanted: the whole address is shown, and nothing is fetched before the answer.
export function askToOpen(address: string): void {
  const dialog = document.createElement("dialog");
  dialog.className = "ask";
  dialog.setAttribute("aria-label", "Open a link from the trace");
  const text = document.createElement("p");
  text.textContent = "This link comes from the trace. Open it in a new tab?";
  const where = document.createElement("p");
  where.className = "mono address";
  where.textContent = address;
  const buttons = document.createElement("div");
  buttons.className = "buttons";
  const open = button("Open", () => window.open(address, "_blank", "noopener,noreferrer"));
  const cancel = button("Cancel", () => undefined);
  buttons.append(cancel, open);
  dialog.append(text, where, buttons);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  cancel.focus();

  function button(label: string, run: () => void): HTMLButtonElement {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    made.addEventListener("click", () => {
      run();
      dialog.close();
    });
    return made;
  }
}
