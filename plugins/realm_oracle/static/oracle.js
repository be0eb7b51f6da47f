// The Oracle's page: answers come in pieces, one column for each ticked checkpoint. What a model says is only ever text.

import { post, say } from "/static/live.js";

const form = document.querySelector("[data-talk]");
const box = form.querySelector("[data-turns]");
const field = form.querySelector("textarea[name=message]");
const choices = form.querySelector("[data-choices]");
const csrf = document.querySelector('meta[name="csrf"]').content;
const POLL_MS = 15000;

const talk = JSON.parse(form.elements.talk.value || "[]"); // as the server reads it
const ticked = new Set([...choices.querySelectorAll("input:checked")].map((one) => one.value));
let stopping = null;

// -- what is shown

function copy(name) {
  return document.querySelector(`template[data-${name}-template]`).content.firstElementChild.cloneNode(true);
}

function toEnd() { box.scrollTop = box.scrollHeight; }

function keep() { form.elements.talk.value = JSON.stringify(talk); }

function choiceOf(key) {
  const [host, hero, step, weights] = key.split(" ");
  return { host, hero, step: Number(step), weights_sha256: weights ?? "" };
}

function same(one, other) {
  return ["host", "hero", "step", "weights_sha256"].every((name) => one[name] === other[name]);
}

function name(said) {
  const { step, weights_sha256: weights, host } = said.choice;
  return `${said.model || `step ${step}`}, step ${step.toLocaleString("en")}, ${weights ? `weights ${weights.slice(0, 12)}, ` : ""}${host}`;
}

function tell(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

// -- asking

function conversation(turns, choice, message) {
  const messages = [];
  for (const exchange of turns) {
    for (const said of exchange.replies) {
      if (!said.error && same(said.choice, choice)) messages.push({ role: "user", content: exchange.message }, { role: "assistant", content: said.response });
    }
  }
  return [...messages, { role: "user", content: message }];
}

async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) if (part.startsWith("data: ")) yield JSON.parse(part.slice(6));
  }
}

async function answerOf(choice, messages, onText, signal) {
  const headers = { Accept: "application/json", "Content-Type": "application/json", "X-Realm-CSRF": csrf };
  const answer = await fetch("/api/oracle/stream", { method: "POST", headers, body: JSON.stringify({ choice, messages }), signal });
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new Error([said.error ?? `the server answered ${answer.status}`, said.hint].filter(Boolean).join("; "));
  }
  for await (const event of events(answer)) {
    if (event.error) throw new Error([event.error, event.hint].filter(Boolean).join("; "));
    if (event.answer) return event.answer;
    onText(event.text);
  }
  throw new Error("the reply was cut off; ask again");
}

async function reply(said, messages, column, signal) {
  const text = column.querySelector("[data-said]");
  const atEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  try {
    const answer = await answerOf(said.choice, messages, (piece) => {
      const follow = atEnd();
      text.append(piece);
      if (follow) toEnd();
    }, signal);
    Object.assign(said, { model: answer.model, response: answer.response, finish: answer.finish, note: answer.note ?? "" });
    said.choice = { ...said.choice, step: answer.step, weights_sha256: answer.weights_sha256 };
  } catch (error) {
    said.error = signal.aborted ? "stopped" : error.message;
    if (said.error !== "stopped") say(said.error, "bad");
  }
}

function finish(said, column, place) {
  column.removeAttribute("aria-busy");
  column.querySelector("[data-who]").textContent = name(said);
  if (!said.error) column.querySelector("[data-said]").textContent = said.response;
  tell(column.querySelector("[data-wrong]"), said.error);
  tell(column.querySelector("[data-note]"), `${said.note}${said.finish === "length" ? " (cut: it reached the limit of tokens)" : ""}`);
  const correct = column.querySelector(".correct");
  if (said.error) { correct.remove(); return; }
  correct.hidden = false;
  correct.querySelector("[data-corrected]").value = said.response;
  correct.querySelector("[data-corrected]").name = `corrected-${place}`;
  correct.querySelector("[data-priority]").name = `priority-${place}`;
  correct.querySelector("button").value = place;
}

async function ask(message) {
  const chosen = [...choices.querySelectorAll("input:checked")].map((one) => choiceOf(one.value));
  if (!message || !chosen.length) { say(message ? "tick a checkpoint that is loaded, or load one" : "write a message first", "bad"); return; }
  const replies = chosen.map((choice) => ({ choice, model: "", response: "", finish: "", note: "", error: "" }));
  const before = [...talk];
  const turn = copy("turn");
  const columns = replies.map((said) => {
    const column = copy("reply");
    column.querySelector("[data-who]").textContent = name(said);
    column.setAttribute("aria-busy", "true");
    turn.querySelector(".replies").append(column);
    return column;
  });
  turn.querySelector("[data-asked]").textContent = message;
  box.querySelector(".empty").hidden = true;
  box.append(turn);
  field.value = "";
  toEnd();
  stopping = new AbortController();
  busy(true);
  const number = talk.push({ message, replies }) - 1;
  await Promise.all(replies.map(async (said, index) => {
    await reply(said, conversation(before, said.choice, message), columns[index], stopping.signal);
    finish(said, columns[index], `${number}-${index}`);
  }));
  keep();
  busy(false);
  toEnd();
}

function busy(is) {
  form.querySelector("[data-ask]").disabled = is;
  form.querySelector("[data-stop]").disabled = !is;
  box.setAttribute("aria-busy", String(is));
}

// -- correcting

async function correct(button) {
  const [turn, index] = button.value.split("-").map(Number);
  const part = button.closest(".correct");
  const said = talk[turn].replies[index];
  button.disabled = true;
  try {
    const answer = await post("/api/oracle/correct", {
      messages: conversation(talk.slice(0, turn), said.choice, talk[turn].message), said,
      corrected: part.querySelector("[data-corrected]").value, priority: part.querySelector("[data-priority]").value,
    });
    part.open = false;
    became(part.parentElement.querySelector("[data-became]"), answer);
    say(answer.said, "plain");
  } catch (error) {
    say(error.message, "bad");
  } finally {
    button.disabled = false;
  }
}

/** Stays beside the answer, as the notice goes after seconds. */
function became(place, answer) {
  const link = document.createElement("a");
  link.href = `/quests/${answer.quest}`;
  link.textContent = answer.name;
  place.replaceChildren("corrected: ", link, ` waits in ${answer.priority}`);
}

// -- what people do

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.submitter?.name === "correct") correct(event.submitter);
  else if (form.querySelector("[data-ask]").disabled) say("an answer is still on its way; wait for it, or stop it");
  else ask(field.value.trim());
});
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit(); // also while the button is out of order, to be told so
});
form.querySelector("[data-stop]").addEventListener("click", () => stopping?.abort());

// -- who is there

choices.addEventListener("change", (event) => {
  if (event.target.checked) ticked.add(event.target.value);
  else ticked.delete(event.target.value);
});

async function refresh() {
  for (const part of [choices, document.querySelector("[data-hosts]")]) {
    const answer = await fetch(part.dataset.fragment, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer?.ok || part.contains(document.activeElement)) continue;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    part.replaceChildren(...page.body.childNodes);
  }
}

new MutationObserver(() => {
  const all = [...choices.querySelectorAll("input")];
  if (all.some((one) => ticked.has(one.value))) for (const one of all) one.checked = ticked.has(one.value);
  for (const one of all) if (one.checked) ticked.add(one.value);
}).observe(choices, { childList: true });

document.addEventListener("submit", async (event) => {
  if (!event.target.matches("[data-post]") || !/^\/oracle\/(un)?load$/.test(new URL(event.target.action).pathname)) return;
  const button = event.submitter;
  for (let waited = 1; button?.disabled; waited += 1) { // live.js sends it; a long load is shown meanwhile
    await new Promise((done) => setTimeout(done, 100));
    if (waited % 10 === 0) refresh();
  }
  refresh();
});

field.placeholder = "Ask… (Enter sends, Shift+Enter is a new line)";
setInterval(() => { if (!document.hidden) refresh(); }, POLL_MS);
