// The log tail: lines arrive in batches, and the next batch is sent only once this one is shown.

const MOST = 2000; // lines kept on the page
const NEAR = 40; // pixels from the end that count as "at the end"
const AGAIN = 3000; // milliseconds
const REFUSED = 4404;

const view = document.querySelector("[data-log]");
const state = document.querySelector("[data-log-state]");
const words = state.dataset;
let tries = 0;
let fresh = true;

function show(name) {
  state.textContent = words[name];
  state.dataset.now = name;
}

function append(lines) {
  if (fresh) view.replaceChildren(); // a new connection begins with the newest lines anew
  fresh = false;
  const follow = view.scrollHeight - view.scrollTop - view.clientHeight < NEAR;
  const batch = document.createDocumentFragment();
  for (const { at, stream, text } of lines) {
    const line = document.createElement("div");
    line.className = stream;
    const time = document.createElement("time");
    time.dateTime = time.title = at;
    time.textContent = new Date(at).toLocaleTimeString("en-GB");
    line.append(time, text);
    batch.append(line);
  }
  view.append(batch);
  while (view.childElementCount > MOST) view.firstElementChild.remove();
  if (follow) view.scrollTop = view.scrollHeight;
}

function note(text) {
  if (view.lastElementChild?.textContent === text) return;
  const line = document.createElement("div");
  line.className = "note";
  line.textContent = text;
  view.append(line);
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}${view.dataset.log}`);
  let ended = false;
  socket.onopen = () => {
    tries = 0;
    fresh = true;
    show("following");
  };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.ended) {
      ended = true;
      show("ended");
      if (message.why) note(message.why);
      // the engine may bring the same container back: then there is more to follow
      if (!message.gone) setTimeout(connect, AGAIN);
      return;
    }
    append(message.lines);
    requestAnimationFrame(() => socket.send("shown"));
  };
  socket.onclose = (event) => {
    if (ended) return;
    if (event.code === REFUSED) return location.reload();
    show("lost");
    setTimeout(connect, Math.min(500 * 2 ** tries++, 5000));
  };
}

connect();
