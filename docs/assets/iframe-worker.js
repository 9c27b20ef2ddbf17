"use strict";
// A page that is opened from a disk may not start a worker, which the search needs.
// A hidden frame runs the worker's script instead, and passes messages on.
if (location.protocol === "file:") {
  const inside = `
    var postMessage = (data) => parent.postMessage(data, "*");
    var importScripts = (...addresses) => addresses.reduce((before, address) =>
      before.then(() => new Promise((done) => {
        const script = document.createElement("script");
        script.src = address;
        script.onload = done;
        document.body.appendChild(script);
      })), Promise.resolve());`;

  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.onmessage = null;
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      this.frame = frame;
      window.addEventListener("message", (event) => {
        if (event.source === frame.contentWindow) {
          const passed = new MessageEvent("message", { data: event.data });
          this.dispatchEvent(passed);
          if (this.onmessage) this.onmessage(passed);
        }
      });
      const page = frame.contentDocument;
      page.open();
      page.write("<html><body></body></html>");
      page.close();
      const first = page.createElement("script");
      first.textContent = inside;
      page.body.appendChild(first);
      this.ready = new Promise((done) => {
        const script = page.createElement("script");
        script.src = address;
        script.onload = done;
        page.body.appendChild(script);
      });
    }

    postMessage(data) {
      const inner = this.frame.contentWindow; // its postMessage is the worker's
      this.ready.then(() => inner.dispatchEvent(new inner.MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
