// The loss chart: log or linear, smoothing, by step or time, zoom by drag, wheel and keys, exact numbers under the pointer.

import { get, onState, say } from "/static/live.js";

const WIDTH = 960, HEIGHT = 300, LEFT = 56, RIGHT = 12, TOP = 14, BOTTOM = 28;
const REFRESH_MS = 5000;
const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

function scale(low, high, begin, end, log) {
  const bend = (value) => (log ? Math.log(Math.max(value, 1e-12)) : value);
  const span = bend(high) - bend(low) || 1;
  return (value) => begin + ((bend(value) - bend(low)) / span) * (end - begin);
}

function ticks(low, high, log) {
  const found = [];
  if (log) {
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      for (const factor of [1, 2, 5]) found.push(factor * 10 ** power);
    }
    return found.filter((value) => value >= low && value <= high);
  }
  const raw = (high - low || 1) / 6;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((value) => value >= raw);
  for (let number = Math.ceil(low / step); number * step <= high; number += 1) found.push(number * step);
  return found;
}

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.view = { by: "step", log: true, smoothing: 0.6, start: null, end: null };
    this.askedAt = 0;
    this.build();
    this.load();
    onState((news) => { if (news.topics.metrics && Date.now() - this.askedAt > REFRESH_MS) this.load(); });
  }

  build() {
    const bar = document.createElement("div");
    bar.className = "toolbar";
    bar.append(
      this.input("log scale", { type: "checkbox", checked: true }, (input) => { this.view.log = input.checked; this.draw(); }),
      this.input("smoothing", { type: "range", min: 0, max: 0.99, step: 0.01, value: 0.6 }, (input) => { this.view.smoothing = Number(input.value); this.load(); }),
      this.input("by time", { type: "checkbox" }, (input) => { Object.assign(this.view, { by: input.checked ? "time" : "step", start: null, end: null }); this.load(); }),
    );
    const reset = document.createElement("button");
    reset.textContent = "whole life";
    reset.addEventListener("click", () => this.zoom(null, null));
    bar.append(reset);
    this.stage = document.createElement("div");
    this.stage.className = "stage";
    this.stage.tabIndex = 0;
    this.stage.setAttribute("role", "group");
    this.stage.setAttribute("aria-label", "loss chart; plus and minus zoom, arrows move, 0 shows all");
    this.stage.append(...this.figure.childNodes);
    this.reading = document.createElement("p");
    this.reading.className = "reading";
    this.figure.replaceChildren(bar, this.stage, this.reading);
    this.listen();
  }

  input(words, attributes, act) {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), attributes);
    input.addEventListener("change", () => act(input));
    label.append(input, ` ${words}`);
    return label;
  }

  listen() {
    let from = null;
    const at = (event) => this.xOf(event);
    this.stage.addEventListener("pointerdown", (event) => { if (this.data?.x.length) { from = at(event); this.stage.setPointerCapture(event.pointerId); } });
    this.stage.addEventListener("pointermove", (event) => this.point(at(event), from));
    this.stage.addEventListener("pointerup", (event) => {
      const to = at(event);
      const begun = from;
      from = null;
      if (begun !== null && Math.abs(this.px(to) - this.px(begun)) > 8) this.zoom(Math.min(begun, to), Math.max(begun, to));
      else this.draw();
    });
    this.stage.addEventListener("wheel", (event) => {
      if (!this.data?.x.length || !event.ctrlKey) return; // the page scrolls without the key
      event.preventDefault();
      this.scaleBy(event.deltaY > 0 ? 1.4 : 0.7, at(event));
    }, { passive: false });
    this.stage.addEventListener("keydown", (event) => {
      if (!this.data?.x.length) return;
      const [first, last] = this.range();
      const move = { ArrowLeft: -0.2, ArrowRight: 0.2 }[event.key];
      if (event.key === "+" || event.key === "=") this.scaleBy(0.7, (first + last) / 2);
      else if (event.key === "-") this.scaleBy(1.4, (first + last) / 2);
      else if (event.key === "0") this.zoom(null, null);
      else if (move) this.zoom(first + move * (last - first), last + move * (last - first));
      else return;
      event.preventDefault();
    });
  }

  range() { return [this.view.start ?? this.data.first, this.view.end ?? this.data.last]; }

  scaleBy(factor, middle) {
    const [first, last] = this.range();
    this.zoom(middle - (middle - first) * factor, middle + (last - middle) * factor);
  }

  zoom(start, end) {
    const outside = start === null || (start <= this.data.first && end >= this.data.last);
    Object.assign(this.view, outside ? { start: null, end: null } : { start: Math.max(start, this.data.first), end: Math.min(end, this.data.last) });
    this.load();
  }

  async load() {
    this.askedAt = Date.now();
    const { by, smoothing, start, end } = this.view;
    const query = new URLSearchParams({ by, smoothing });
    if (start !== null) { query.set("start", start); query.set("end", end); }
    try {
      this.data = await get(`${this.figure.dataset.chart}?${query}`);
    } catch (error) {
      say(`the chart cannot be read: ${error.message}`, "plain");
      return;
    }
    this.draw();
    if (this.data.loading) setTimeout(() => this.load(), 1000);
  }

  draw() {
    const data = this.data;
    if (!data?.x.length) return; // the server's words stay
    const losses = [...data.min, ...data.max];
    const positive = losses.filter((loss) => loss > 0);
    const log = this.view.log && positive.length > 0;
    const low = log ? Math.min(...positive) : 0;
    const high = Math.max(...losses);
    this.px = scale(data.x[0], data.x.at(-1), LEFT, WIDTH - RIGHT, false);
    this.py = scale(low, high, HEIGHT - BOTTOM, TOP, log);
    const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    svg.append(make("title", {}, `Loss by ${data.by}, now about ${data.smooth.at(-1).toPrecision(4)}`));
    this.grid(svg, low, high, log);
    const points = (ys, xs = data.x) => xs.map((x, index) => `${this.px(x).toFixed(1)},${this.py(ys[index]).toFixed(1)}`);
    svg.append(
      make("polygon", { class: "band", points: [...points(data.max), ...points(data.min).reverse()].join(" ") }),
      make("polyline", { class: "mean", points: points(data.mean).join(" ") }),
      make("polyline", { class: "smooth", points: points(data.smooth).join(" ") }),
    );
    const inside = (x) => x >= data.x[0] && x <= data.x.at(-1);
    for (const [x, loss] of data.val) if (inside(x)) svg.append(make("circle", { class: "val", r: 3, cx: this.px(x), cy: this.py(loss) }));
    for (const one of data.levels) if (inside(one.x)) svg.append(this.level(one));
    this.cross = make("line", { class: "cross", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    this.box = make("rect", { class: "zoom", y: TOP, height: HEIGHT - BOTTOM - TOP, visibility: "hidden" });
    svg.append(this.cross, this.box);
    this.stage.replaceChildren(svg);
  }

  level(one) {
    const group = make("g", { class: "level" });
    const x = this.px(one.x);
    group.append(make("title", {}, `${one.skill} level ${one.level} mastered at step ${one.step}`), make("line", { x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }));
    return group;
  }

  grid(svg, low, high, log) {
    for (const value of ticks(low, high, log)) {
      const y = this.py(value);
      svg.append(make("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y }), make("text", { class: "tick", x: LEFT - 6, y: y + 4, "text-anchor": "end" }, String(Number(value.toPrecision(3)))));
    }
    for (const value of ticks(this.data.x[0], this.data.x.at(-1), false)) {
      svg.append(make("text", { class: "tick", x: this.px(value), y: HEIGHT - 8, "text-anchor": "middle" }, this.words(value)));
    }
  }

  words(x) {
    return this.data.by === "step" ? Math.round(x).toLocaleString("en") : new Date(1000 * x).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  }

  xOf(event) {
    const box = this.stage.getBoundingClientRect();
    const share = (((event.clientX - box.left) / box.width) * WIDTH - LEFT) / (WIDTH - RIGHT - LEFT);
    const [first, last] = [this.data?.x[0] ?? 0, this.data?.x.at(-1) ?? 0];
    return first + Math.min(1, Math.max(0, share)) * (last - first);
  }

  point(x, from) {
    const data = this.data;
    if (!data?.x.length || !this.cross) return;
    let index = data.x.findIndex((value) => value >= x);
    if (index < 0) index = data.x.length - 1;
    const place = this.px(data.x[index]);
    for (const end of ["x1", "x2"]) this.cross.setAttribute(end, place);
    this.cross.setAttribute("visibility", "visible");
    const exact = (value) => value.toPrecision(4);
    this.reading.textContent = `${this.view.by === "step" ? "step " : ""}${this.words(data.x[index])}: loss ${exact(data.mean[index])} (${exact(data.min[index])} to ${exact(data.max[index])}), smoothed ${exact(data.smooth[index])}, ${Math.round(data.speed[index]).toLocaleString("en")} trained tokens/s`;
    if (from === null) return;
    const [begin, end] = [this.px(Math.min(from, x)), this.px(Math.max(from, x))];
    this.box.setAttribute("x", begin);
    this.box.setAttribute("width", end - begin);
    this.box.setAttribute("visibility", "visible");
  }
}

for (const figure of document.querySelectorAll("[data-chart]")) new Chart(figure);
