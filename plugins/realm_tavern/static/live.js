// Keeps the page fresh: texts, bars and parts follow the server's stream; forms are sent without leaving the page.
// `onState` and `onHappened` are for the scripts of single pages.

import { celebrate, say } from "/static/notices.js";
import { get, post } from "/static/requests.js";

export { get, post, say };

const POLL_MS = 3000;
const RETRY_MS = 30000;
const FEED_LENGTH = 60;
const banner = document.querySelector("[data-connection]");
const stateListeners = [];
const eventListeners = [];
let after = document.body.dataset.after ?? "";
let values = {};
let topics = {};
let ahead = 0; // how far the server's clock is ahead of this one, in milliseconds

/** Calls `listener({values, topics})` with what changed. */
export function onState(listener) { stateListeners.push(listener); }

/** Calls `listener({name, text, worth, time})` for every event. */
export function onHappened(listener) { eventListeners.push(listener); }

// -- what came

function each(selector, act) {
  for (const element of document.querySelectorAll(selector)) act(element);
}

function takeState(news) {
  values = { ...values, ...news.values };
  for (const [key, text] of Object.entries(news.values)) {
    const name = CSS.escape(key);
    each(`[data-live="${name}"]`, (element) => { if (element.textContent !== text) element.textContent = text; });
    each(`[data-live-value="${name}"]`, (element) => { element.value = Number(text); });
    each(`[data-live-state="${name}"]`, (element) => { element.dataset.state = text; });
  }
  const changed = Object.keys(news.topics).filter((topic) => topics[topic] !== undefined && topics[topic] !== news.topics[topic]);
  topics = { ...topics, ...news.topics };
  each("[data-fragment]", (element) => {
    if ((element.dataset.topics ?? "").split(" ").some((topic) => changed.includes(topic))) refetch(element);
  });
  if (news.values["battle.heartbeat"]) ahead = Math.max(ahead, Date.parse(news.values["battle.heartbeat"]) - Date.now());
  if (news.values["battle.damage"]) hit(news.values["battle.damage"]);
  for (const listener of stateListeners) listener(news);
}

function takeEvent(event) {
  each("[data-feed]", (feed) => {
    const item = document.createElement("li");
    const moment = document.createElement("time");
    moment.dateTime = event.time;
    moment.textContent = new Date(event.time).toLocaleTimeString([], { hour12: false });
    item.className = event.worth;
    item.append(moment, ` ${event.text}`);
    feed.prepend(item);
    while (feed.children.length > FEED_LENGTH) feed.lastElementChild.remove();
  });
  if (event.name === "achievement") say(event.text, "great");
  else if (event.worth === "great") celebrate(event.text);
  if (event.worth === "bad") say(event.text, "bad");
  for (const listener of eventListeners) listener(event);
}

function hit(text) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  each("[data-damage]", (place) => {
    if (calm || text === "–" || values["battle.state"] !== "training") return;
    const number = document.createElement("span");
    number.textContent = `−${text}`;
    place.replaceChildren(number);
  });
}

// -- parts of the page

const busy = new WeakMap();

async function refetch(element) {
  if (busy.has(element)) { busy.set(element, true); return; }
  busy.set(element, false);
  try {
    const answer = await fetch(element.dataset.fragment, { headers: { Accept: "text/html" } });
    if (answer.ok) replace(element, await answer.text());
  } catch { /* the stream's banner tells that the server is away; the next message fetches again */ } finally {
    const again = busy.get(element);
    busy.delete(element);
    if (again) refetch(element);
  }
}

function replace(element, html) {
  const inside = document.activeElement;
  const typing = element.contains(inside) && inside.matches("input, select, textarea");
  if (typing || element.querySelector(".dragging, .edited, details[open]:not([data-keep])")) {
    setTimeout(() => refetch(element), POLL_MS); // not under the hands of who works in it
    return;
  }
  const page = new DOMParser().parseFromString(html, "text/html");
  element.replaceChildren(...page.body.childNodes);
}

// -- the stream, or asking again and again

let polling = 0;

function connect() {
  const source = new EventSource(`/api/stream?after=${after}`);
  source.addEventListener("open", () => { connected(true); stopPolling(); });
  source.addEventListener("state", (message) => takeState(JSON.parse(message.data)));
  source.addEventListener("happened", (message) => { after = message.lastEventId; takeEvent(JSON.parse(message.data)); });
  source.addEventListener("error", () => {
    connected(false);
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    startPolling();
    setTimeout(connect, RETRY_MS);
  });
  addEventListener("pagehide", () => source.close(), { once: true });
}

function connected(is) { if (banner) banner.hidden = is; }

function startPolling() { if (!polling) polling = setInterval(poll, POLL_MS); poll(); }

function stopPolling() { clearInterval(polling); polling = 0; }

async function poll() {
  try {
    const news = await get(`/api/live?after=${after}`);
    connected(true);
    after = news.after;
    takeState(news);
    news.events.forEach(takeEvent);
  } catch { connected(false); }
}

// -- ages, forms, keys

function age(iso) {
  const seconds = Math.max(0, Math.round((Date.now() + ahead - Date.parse(iso)) / 1000));
  if (seconds < 120) return `seen ${seconds} s ago`;
  return seconds < 7200 ? `seen ${Math.round(seconds / 60)} min ago` : `seen ${Math.round(seconds / 3600)} h ago`;
}

function showAges() {
  each("[data-age]", (element) => {
    const iso = values[element.dataset.age];
    if (iso) element.textContent = age(iso);
  });
}

document.addEventListener("input", (event) => event.target.closest("form[data-post]")?.classList.add("edited"));

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.hasAttribute("data-post")) return;
  event.preventDefault();
  const button = event.submitter ?? form.querySelector("button");
  const given = new URLSearchParams(new FormData(form, event.submitter));
  button.disabled = true;
  try {
    say((await post(form.action, given)).said, "plain");
    form.classList.remove("edited");
  } catch (error) {
    say(error.message, "bad");
  } finally {
    button.disabled = false;
  }
});

let begun = ""; // the first key of two

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const key = event.key.toLowerCase();
  if (begun === "g") document.querySelector(`nav [data-key~="${CSS.escape(key)}"]`)?.click();
  else if (key === "p") order(values["battle.state"] === "paused" || values["control.pause"]?.startsWith("asked") ? "resume" : "pause");
  else if (key === "s") order("save");
  begun = begun === "g" ? "" : key;
});

function order(verb) { document.querySelector(`[data-verb="${verb}"]`)?.click(); }

setInterval(showAges, 1000);
connect();
