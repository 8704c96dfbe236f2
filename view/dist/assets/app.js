(async () => {
  const main = document.getElementById("app");
  const get = async (path) =>
    document.body.dataset.mode === "file"
      ? JSON.parse(document.getElementById("d:" + path).textContent)
      : (await fetch(path)).json();
  for (const session of (await get("api/sessions")).sessions) {
    const line = document.createElement("p");
    line.textContent = `${session.status}  ${session.id}  ${session.title ?? ""}`;
    main.append(line);
  }
})();
