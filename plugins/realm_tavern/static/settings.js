// Sends one setting without leaving the page, so that what was typed elsewhere stays; an error stands beside its field.

import { post, say } from "/static/live.js";

function bodyOf(form, button) {
  const body = { key: form.elements.namedItem("key").value };
  if (button?.name === "default") return { ...body, value: null, approve: isApproved(form) };
  const input = form.querySelector("select, textarea, input[type=checkbox][name=value], input:not([type=hidden])[name=value]");
  return { ...body, value: input.type === "checkbox" ? String(input.checked) : input.value, approve: isApproved(form) };
}

function isApproved(form) { return form.querySelector("input[name=approve]")?.checked ?? false; }

async function send(form, button) {
  const place = form.querySelector("[data-error]");
  place.hidden = true;
  try {
    const answer = await post("/api/settings", bodyOf(form, button));
    say(answer.said, "plain");
    await renew(form);
  } catch (error) {
    place.textContent = error.message;
    place.hidden = false;
    const step = form.querySelector("details");
    if (step) step.open = true;
  }
}

/** The field as the server shows it now. */
async function renew(form) {
  const answer = await fetch(`/settings?fragment=field&key=${encodeURIComponent(form.dataset.setting)}`, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("form");
  if (fresh) form.replaceWith(fresh);
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-setting]");
  if (!form) return;
  event.preventDefault();
  send(form, event.submitter);
});
