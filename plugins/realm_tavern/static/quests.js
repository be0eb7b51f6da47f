// The quests page: cards are dragged between priorities, buttons answer in place, files are uploaded one after another.

import { post, say } from "/static/live.js";

const PRIORITIES = ["high", "normal", "low"];
const SUFFIXES = [".jsonl", ".jsonl.gz", ".jsonl.zst"];
const KIND = "application/x-realm-quest";
const board = document.querySelector("[data-board]");

// -- the board

async function act(url, data) {
  try {
    const answer = await post(url, data);
    say(answer.said, "plain"); // the stream brings the new board
  } catch (error) {
    say(error.message, "bad");
  }
}

function columnOf(target) {
  return target instanceof Element ? target.closest("[data-column]") : null;
}

function mark(column) {
  for (const other of board.querySelectorAll(".over")) other.classList.toggle("over", other === column);
  column?.classList.add("over");
}

function prepare() {
  for (const priority of PRIORITIES) {
    for (const card of board.querySelectorAll(`[data-column="${priority}"] .quest`)) card.draggable = true;
  }
  for (const details of board.querySelectorAll("details[data-keep]")) details.open = opened.has(details.dataset.keep);
}

const opened = new Set();

function watchBoard() {
  board.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button?.hasAttribute("formaction")) return;
    event.preventDefault();
    act(button.getAttribute("formaction"), button.name ? { [button.name]: button.value } : {});
  });
  board.addEventListener("dragstart", (event) => {
    const card = event.target.closest?.(".quest[draggable]");
    if (!card) return;
    event.dataTransfer.setData(KIND, JSON.stringify([card.dataset.id, columnOf(card).dataset.column]));
    event.dataTransfer.effectAllowed = "move";
    card.classList.add("dragging"); // the board is not replaced meanwhile
  });
  board.addEventListener("dragover", (event) => {
    const column = columnOf(event.target);
    const fits = event.dataTransfer.types.includes(KIND) && PRIORITIES.includes(column?.dataset.column);
    mark(fits ? column : null);
    if (fits) event.preventDefault();
  });
  board.addEventListener("drop", (event) => {
    const column = columnOf(event.target);
    const given = event.dataTransfer.getData(KIND);
    mark(null);
    if (!given || !column) return;
    event.preventDefault();
    const [id, from] = JSON.parse(given);
    if (from !== column.dataset.column) act(`/api/quests/${id}/move`, { priority: column.dataset.column });
  });
  board.addEventListener("dragend", (event) => {
    event.target.classList.remove("dragging");
    mark(null);
  });
  // A live board is replaced as a whole: a question that was open stays open.
  board.addEventListener("toggle", (event) => {
    const id = event.target.dataset.keep;
    if (id && event.target.open) opened.add(id);
    else if (event.target.isConnected) opened.delete(id);
  }, true);
  new MutationObserver(prepare).observe(board, { childList: true });
  prepare();
}

// -- uploads

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function send(file, form, progress) {
  const query = new URLSearchParams({ name: file.name, priority: form.priority.value, again: String(form.again.checked) });
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/quests?${query}`);
    request.setRequestHeader("X-Realm-CSRF", document.querySelector('meta[name="csrf"]').content);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) progress.value = event.loaded / event.total;
    });
    request.upload.addEventListener("load", () => progress.removeAttribute("value")); // the inspection has no share
    request.addEventListener("error", () => reject(new Error("the connection broke")));
    request.addEventListener("load", () => {
      const answer = request.response ?? {};
      if (request.status < 400) resolve(answer);
      else reject(new Error([answer.error ?? `error ${request.status}`, answer.hint].filter(Boolean).join("; ")));
    });
    request.send(file);
  });
}

function report(row, answer) {
  row.classList.add(answer.rejected ? "bad" : "great");
  row.append(element("p", answer.said));
  if (answer.findings.length) {
    const list = element("ul", "");
    for (const one of answer.findings.slice(0, 10)) {
      list.append(element("li", `${one.severity}${one.line ? `, line ${one.line}` : ""}: ${one.message}`));
    }
    const hidden = answer.errors + answer.warnings - Math.min(10, answer.findings.length);
    if (hidden > 0) list.append(element("li", `and ${hidden} more`));
    row.append(list);
  }
  const link = element("a", "the whole report");
  link.href = `/quests/${encodeURIComponent(answer.id)}`;
  row.append(link);
}

async function upload(file, form, row) {
  const progress = element("progress", "");
  progress.max = 1;
  progress.value = 0;
  progress.setAttribute("aria-label", `upload of ${file.name}`);
  row.append(progress);
  try {
    const fits = SUFFIXES.some((suffix) => file.name.toLowerCase().endsWith(suffix));
    if (!fits) throw new Error(`not a quest file; its name must end in ${SUFFIXES.join(", ")}`);
    report(row, await send(file, form, progress));
  } catch (error) {
    row.classList.add("bad");
    row.append(element("p", error.message));
  }
  progress.remove();
}

function watchUploads() {
  const form = document.querySelector("[data-upload]");
  const list = document.querySelector("[data-uploads]");
  const zone = form.querySelector("[data-drop]");
  let before = Promise.resolve();

  function queue(files) {
    for (const file of files) {
      const row = element("li", "", "upload-row");
      row.append(element("strong", file.name));
      list.append(row);
      list.hidden = false;
      before = before.then(() => upload(file, form, row));
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    queue([...form.file.files]);
    form.file.value = "";
  });
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // a file dropped beside the zone must not replace the page
    zone.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) zone.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    zone.classList.remove("over");
    queue([...event.dataTransfer.files]);
  });
}

watchBoard();
watchUploads();
