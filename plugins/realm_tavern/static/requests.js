// Requests to the server: what it refuses becomes an Error with its words.

const csrf = document.querySelector('meta[name="csrf"]')?.content ?? "";

async function read(answer) {
  const text = await answer.text();
  let said = {};
  try { said = JSON.parse(text); } catch { /* a page, or nothing */ }
  if (!answer.ok) throw new Error([said.error ?? `the server answered ${answer.status}`, said.hint].filter(Boolean).join("; "));
  return said;
}

/** The JSON at a path. */
export async function get(url) {
  return read(await fetch(url, { headers: { Accept: "application/json" } }));
}

/** Sends an object as JSON, or a form's fields as they are; gives the answer's JSON. */
export async function post(url, data) {
  const isForm = data instanceof URLSearchParams;
  const headers = { Accept: "application/json", "X-Realm-CSRF": csrf };
  if (!isForm) headers["Content-Type"] = "application/json";
  return read(await fetch(url, { method: "POST", headers, body: isForm ? data : JSON.stringify(data ?? {}) }));
}
