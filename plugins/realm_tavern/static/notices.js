// What the page says by itself: notices, celebrations, sounds, the browser's own notifications.

const SHOWN_MS = 6000;
const PARTY_MS = 4000;
const MOST = matchMedia("(max-width: 40rem)").matches ? 2 : 5; // on a phone more of them would cover the page
const toasts = document.querySelector("[data-toasts]");
const party = document.querySelector("[data-celebration]");
const wants = document.documentElement.dataset;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Shows a notice; kinds: plain, great, bad. Bad ones stay until they are closed. */
export function say(text, kind = "plain") {
  if (!toasts || !text) return;
  const toast = document.createElement("div");
  const words = document.createElement("span");
  const close = document.createElement("button");
  toast.className = `toast ${kind}`;
  words.textContent = text;
  close.textContent = "×";
  close.setAttribute("aria-label", "close");
  close.addEventListener("click", () => toast.remove());
  toast.append(words, close);
  toasts.append(toast);
  while (toasts.children.length > MOST) toasts.firstElementChild.remove();
  if (kind !== "bad") setTimeout(() => toast.remove(), SHOWN_MS);
  if (kind !== "plain") { sound(kind); notify(text); }
}

/** Fanfare for something great. */
export function celebrate(text) {
  say(text, "great");
  if (!party || calm.matches || document.hidden) return;
  party.querySelector("p").textContent = text;
  party.hidden = false;
  clearTimeout(Number(party.dataset.timer));
  party.dataset.timer = setTimeout(endParty, PARTY_MS);
}

function endParty() { party.hidden = true; }

party?.addEventListener("click", endParty);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !party) return;
  if (party.hidden) toasts?.lastElementChild?.remove();
  else endParty();
});

// -- sounds: made here, off unless the footer's box is ticked

const TUNES = { great: [523, 659, 784, 1047], bad: [220, 165] };
let audio = null;

function sound(kind) {
  if (wants.sounds !== "1") return;
  audio ??= new AudioContext();
  TUNES[kind].forEach((pitch, index) => {
    const begin = audio.currentTime + index * 0.12;
    const tone = audio.createOscillator();
    const loudness = audio.createGain();
    tone.type = "square";
    tone.frequency.value = pitch;
    loudness.gain.setValueAtTime(0.06, begin);
    loudness.gain.exponentialRampToValueAtTime(0.001, begin + 0.2);
    tone.connect(loudness).connect(audio.destination);
    tone.start(begin);
    tone.stop(begin + 0.2);
  });
}

function notify(text) {
  if (wants.notify !== "1" || !document.hidden || !("Notification" in window)) return;
  if (Notification.permission === "granted") new Notification("The Tavern", { body: text, tag: text });
}

const box = document.querySelector('footer input[name="notify"]');
box?.addEventListener("change", () => { if (box.checked && "Notification" in window) Notification.requestPermission(); });
