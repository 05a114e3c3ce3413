// Live pages: htmx's websocket extension morphs the fragments that arrive into the page; this adds what it leaves out.

const REFUSED = 4404; // the server's way to say that this page is no longer ours to see
const PATIENCE = 800; // milliseconds without a connection before the page says so

htmx.config.wsReconnectDelay = (tries) => Math.min(300 * 2 ** tries, 5000) * (0.5 + Math.random() / 2);

// What the reader opened stays open.
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) =>
  !(name === "open" && element instanceof HTMLDetailsElement);

const banner = document.getElementById("connection-lost");
let waiting = null;

document.addEventListener("htmx:wsOpen", () => {
  clearTimeout(waiting);
  waiting = null;
  banner.hidden = true;
  document.documentElement.dataset.live = "on";
});

document.addEventListener("htmx:wsClose", (event) => {
  document.documentElement.dataset.live = "off";
  if (event.detail.event.code === REFUSED) {
    location.reload();
    return;
  }
  waiting ??= setTimeout(() => {
    banner.hidden = false;
  }, PATIENCE);
});
