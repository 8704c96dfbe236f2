// The real thing: stores made with the command, and the server it starts.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
export const TRACEWAL = process.env.TRACEWAL ?? join(here, "../../../target/release/tracewal");

/** The folder of real transcripts beside the checkout, or null. */
export const DATA =
  [process.env.TRACEWAL_DATA, join(here, "../../../../shared/data")].find((path) => path !== undefined && existsSync(path)) ?? null;

export class Store {
  folder = mkdtempSync(join(tmpdir(), "tracewal-view-"));
  children = new Set();

  run(...args) {
    const done = spawnSync(TRACEWAL, ["--store", this.folder, ...args], { encoding: "utf8", maxBuffer: 1 << 30 });
    if (done.error !== undefined || done.status !== 0) {
      throw new Error(`tracewal ${args.join(" ")}: ${done.error ?? done.stderr}`);
    }
    return done.stdout;
  }

  events(session) {
    return this.run("events", session)
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  }

  /** A process that records what it is given, and says which events are safe. */
  recorder(session) {
    const child = spawn(TRACEWAL, ["--store", this.folder, "record", "--session", session, "--ack"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.children.add(child);
    const waiting = [];
    let acknowledged = 0;
    createInterface({ input: child.stdout }).on("line", (line) => {
      acknowledged = JSON.parse(line).seq;
      waiting.shift()?.(acknowledged);
    });
    return {
      child,
      write: (event) =>
        new Promise((done) => {
          waiting.push(done);
          child.stdin.write(`${JSON.stringify(event)}\n`);
        }),
      acknowledged: () => acknowledged,
      end: () =>
        new Promise((done) => {
          child.on("exit", done);
          child.stdin.end();
        }),
    };
  }

  /** Records lines that a generator makes, as fast as they are taken. */
  async record(session, lines, ...args) {
    const child = spawn(TRACEWAL, ["--store", this.folder, "record", "--session", session, ...args], { stdio: ["pipe", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (data) => (said += data));
    const over = new Promise((done) => child.on("exit", done));
    let batch = "";
    const flush = async () => {
      if (!child.stdin.write(batch)) await new Promise((done) => child.stdin.once("drain", done));
      batch = "";
    };
    for (const line of lines) {
      batch += `${typeof line === "string" ? line : JSON.stringify(line)}\n`;
      if (batch.length > 1 << 20) await flush();
    }
    await flush();
    child.stdin.end();
    const status = await over;
    if (status !== 0) throw new Error(`record ended with ${status}: ${said}`);
  }

  /** `tracewal view`, until the store is removed. */
  async view(...args) {
    const child = spawn(TRACEWAL, ["--store", this.folder, "view", "--no-open", ...args], { stdio: ["ignore", "pipe", "inherit"] });
    this.children.add(child);
    const address = await new Promise((done, failed) => {
      createInterface({ input: child.stdout }).once("line", done);
      child.once("exit", (status) => failed(new Error(`tracewal view ended with ${status}`)));
    });
    return { url: address.split("#")[0], address, pid: child.pid };
  }

  exportHtml(session) {
    const file = join(this.folder, `${session.replace(/[^a-z0-9]/gi, "_")}.html`);
    this.run("export", "html", session, "-o", file);
    return file;
  }

  remove() {
    this.children.forEach((child) => child.kill("SIGKILL"));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const at = (url, session, tab, query = "") => `${url}#/s/${encodeURIComponent(session)}/${tab}${query}`;
