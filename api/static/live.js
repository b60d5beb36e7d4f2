// Live updates for the queue and for one alert. Everything works without this file.
//
// Nothing moves under the pointer: while somebody points at, touches or has the focus in the
// list, changes are held back and announced; they are shown when asked for or when the pointer
// has left.
"use strict";

(() => {
  const status = document.getElementById("live");
  if (!status || status.dataset.live !== "yes" || !window.EventSource) return;

  const cards = document.getElementById("cards");
  const held = document.getElementById("held");
  const heldText = document.getElementById("held-text");
  const announce = document.getElementById("announce");
  const empty = document.getElementById("empty");
  const only = status.dataset.only || null;
  const pageTitle = document.title;
  const QUIET_MS = 40000; // two pings and some: a connection that says nothing is dead
  const TOUCH_MS = 3000;
  const LEAVE_MS = 400;
  const RETRY_MS = 5000;

  // the hub's clock, as this page knows it: the machine's own may be wrong
  const offset = Date.parse(status.dataset.now) - Date.now();
  const now = () => new Date(Date.now() + offset);

  // -- live or not

  let live = null;
  let lastWhy = null;
  let since = null;
  let lastHeard = performance.now();

  function say(isLive, why) {
    if (live === isLive && (isLive || why === lastWhy)) return;
    if (isLive || live !== false) since = new Date();
    live = isLive;
    lastWhy = why;
    status.className = "live " + (isLive ? "is-live" : "is-dead");
    if (isLive) {
      status.textContent = only
        ? "Live: you are told here when this alert changes."
        : "Live: changes appear by themselves.";
      return;
    }
    const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(since);
    status.textContent = `NOT LIVE since ${time}: ${why}. What you see may be out of date. `;
    const again = document.createElement("a");
    again.href = "";
    again.textContent = "Load the page again";
    status.append(again);
  }

  let source = null;
  let lastId = status.dataset.after;
  let done = false;

  function connect() {
    if (done) return;
    source = new EventSource(`/api/v1/alerts/stream?after=${encodeURIComponent(lastId)}`);
    source.addEventListener("hub", (message) => {
      lastHeard = performance.now();
      if (message.lastEventId) lastId = message.lastEventId;
      const news = JSON.parse(message.data);
      if (news.live) say(true); else say(false, news.reason || "the hub is in trouble");
    });
    source.addEventListener("alert", (message) => {
      lastHeard = performance.now();
      lastId = message.lastEventId;
      const news = JSON.parse(message.data);
      if (news.alert) changed(news.alert, news.kind);
    });
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) {
        say(false, "the connection to the hub is lost, trying again");
        return;
      }
      // refused with an answer: a browser gives up then, this page does not
      say(false, "the hub refuses the connection (you may be signed out), trying again");
      setTimeout(connect, RETRY_MS);
    });
  }
  connect();
  setInterval(() => {
    if (live && performance.now() - lastHeard > QUIET_MS) say(false, "nothing was heard from the hub");
  }, 5000);
  addEventListener("pagehide", () => { done = true; source.close(); });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  // -- ages

  function span(seconds) {
    if (seconds < 60) return `${seconds} s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return `${hours} h ${minutes % 60} min`;
    return `${Math.floor(hours / 24)} days`;
  }

  const ago = (then) => `${span(Math.max(0, Math.round((now() - then) / 1000)))} ago`;

  function ahead(then) {
    const seconds = Math.round((then - now()) / 1000);
    return seconds <= 0 ? "now" : `in ${span(seconds)}`;
  }

  function tick() {
    for (const element of document.querySelectorAll("time.age")) {
      const text = ago(new Date(element.dateTime));
      if (element.textContent !== text) element.textContent = text;
    }
    for (const element of document.querySelectorAll("time.soon")) {
      const text = ahead(new Date(element.dateTime));
      if (element.textContent !== text) element.textContent = text;
    }
  }
  setInterval(tick, 1000);

  // -- one alert: say that it changed, don't touch what somebody is typing

  function changed(alert, kind) {
    if (only) {
      if (alert.id === only && alert.version > Number(status.dataset.version)) {
        status.className = "live is-dead";
        status.textContent = "This alert has changed meanwhile. ";
        const again = document.createElement("a");
        again.href = `/alerts/${only}`;
        again.textContent = "Show it as it is now";
        status.append(again);
        done = true;
        source.close();
      }
      return;
    }
    if (cards) enqueue(alert, kind);
  }

  // -- the queue

  const waiting = new Map(); // alert id -> the newest that is known of it
  let pointing = false;
  let touchedAt = -Infinity;

  function enqueue(alert, kind) {
    const before = waiting.get(alert.id);
    if (before && before.version > alert.version) return;
    waiting.set(alert.id, alert);
    if (alert.state === "open" && (kind === "raised" || kind === "pressed_again")) {
      announce.textContent = `${alert.severity}: ${alert.title}`;
    }
    settle();
  }

  const busy = () => pointing || performance.now() - touchedAt < TOUCH_MS
    || (cards.contains(document.activeElement) && document.activeElement.matches(":focus-visible"));

  function settle() {
    if (!waiting.size) { held.hidden = true; return; }
    if (!busy()) { show(); return; }
    const urgent = [...waiting.values()].filter((a) => a.state === "open" && a.severity === "emergency").length;
    heldText.textContent = (urgent ? `${urgent} emergency waiting. ` : "")
      + `${waiting.size} change${waiting.size > 1 ? "s" : ""} held back while you point at the list.`;
    held.hidden = false;
  }

  let showing = Promise.resolve();
  function show() {
    const todo = [...waiting.values()];
    waiting.clear();
    held.hidden = true;
    showing = showing.then(() => Promise.all(todo.map(refresh))).then(tidy);
  }

  async function refresh(alert) {
    const old = document.getElementById(alert.id);
    if (old && Number(old.dataset.version) > alert.version) return;
    const first = cards.dataset.first === "yes";
    if (!old && !first) return;
    const query = new URLSearchParams({ team: cards.dataset.team, state: cards.dataset.state });
    try {
      const answer = await fetch(`/fragments/alerts/${alert.id}?${query}`, { headers: { Accept: "text/html" } });
      if (answer.status === 204 || answer.status === 404) { old?.remove(); return; }
      if (!answer.ok || answer.redirected) throw new Error("not shown");
      const card = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("li.card");
      if (!card) throw new Error("not shown");
      if (old) old.replaceWith(card); else { card.classList.add("is-new"); place(card); }
    } catch {
      say(false, "a change could not be loaded");
    }
  }

  function place(card) {
    const key = (c) => [Number(c.dataset.rank), Number(c.dataset.stale), c.dataset.raised];
    const [rank, stale, raised] = key(card);
    for (const other of cards.children) {
      const [r, s, t] = key(other);
      const after = r < rank || (r === rank && (s < stale || (s === stale && t > raised)));
      if (after) { other.before(card); return; }
    }
    cards.append(card);
  }

  function tidy() {
    empty.hidden = cards.children.length > 0;
    const emergencies = cards.querySelectorAll('[data-rank="4"][data-state="open"]').length;
    document.title = emergencies ? `(${emergencies}) ${pageTitle}` : pageTitle;
    tick();
  }

  if (cards) {
    for (const area of [cards, held]) {
      area.addEventListener("pointerenter", (e) => { if (e.pointerType === "mouse") pointing = true; });
      // a moment later: on the way from the list to the notice nothing may change
      area.addEventListener("pointerleave", () => { pointing = false; setTimeout(settle, LEAVE_MS); });
    }
    cards.addEventListener("pointerdown", () => { touchedAt = performance.now(); setTimeout(settle, TOUCH_MS + 50); });
    cards.addEventListener("focusout", () => setTimeout(settle, 0));
    document.getElementById("held-show").addEventListener("click", () => { pointing = false; show(); });
    tidy();
  }
})();
