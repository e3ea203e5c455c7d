// The page's data, its state in the address, and how elements are made. Text enters the page by
// text nodes only: names and reasons are strangers' words.

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const data = read("page-data");
const later = {};
const lazy = (id) => (later[id] ??= read(id));
const perFrame = () => lazy("page-frames");
const stored = () => lazy("page-pictures");

const byId = (id) => document.getElementById(id);
const metricIndex = new Map(data.metrics.map((metric, index) => [metric.id, index]));
const columnIndex = new Map(data.columns.map((column, index) => [column.id, index]));
const told = (number) => data.texts[number];
const PRESENT = new Set(["ok", "published"]);

// An element; attributes are text, flags, or listeners (named on…).
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined)
      node.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

// Plotly reads a little markup in its texts; none of ours is meant as such.
const plain = (text) =>
  String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function wrapped(text, width) {
  const lines = [""];
  const words = String(text)
    .split(" ")
    .flatMap((word) => word.match(new RegExp(`.{1,${width}}`, "gu")) ?? []);
  for (const word of words) {
    const line = lines[lines.length - 1];
    if (line && line.length + word.length + 1 > width) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines.map(plain).join("<br>");
}

// ---- values

const metricOf = (id) => data.metrics[metricIndex.get(id)];
const valueOf = (point, column) => point.values[columnIndex.get(column)] ?? null;

function shown(point, column) {
  const value = valueOf(point, column);
  if (value === null) return null;
  return value.toFixed(data.columns[columnIndex.get(column)].decimals);
}

const rateText = (point, rate) => {
  const text = shown(point, rate);
  return text === null ? "no rate" : `${text} ${rate === "bpp" ? "bit/pixel" : "kbit/s"}`;
};

const pointsOf = (curve) => data.points.slice(...curve.points);
const curveOf = data.curves.flatMap((curve) =>
  Array(curve.points[1] - curve.points[0]).fill(curve),
);
const folderOf = (point) => (point.folder < 0 ? null : data.folders[point.folder]);
const curveById = new Map(data.curves.map((curve) => [curve.id, curve]));
const sequenceIndex = (id) => data.sequences.findIndex((sequence) => sequence.id === id);

function viewSets(sequence) {
  const index = sequenceIndex(sequence);
  return [...new Set(data.curves.filter((c) => c.sequence === index).map((c) => c.views))];
}

const configurations = () => [
  ...new Set(data.curves.map((c) => c.configuration).filter((name) => name && name !== "any")),
];

// Curves of the chosen sequence and views; `any` belongs to every configuration.
function curvesHere() {
  const index = sequenceIndex(state.seq);
  return data.curves.filter(
    (c) =>
      c.sequence === index &&
      c.views === state.views &&
      (!state.conf || c.configuration === "any" || c.configuration === state.conf),
  );
}

// ---- state

const first = data.sequences[0]?.id ?? "";
const DEFAULTS = {
  seq: first,
  views: viewSets(first)[0] ?? "",
  metric: data.headline[0],
  conf: "",
  x: "linear",
  bdm: data.headline[0],
  bds: "",
  bdt: "",
  bda: "",
  bdsort: "",
  view: "",
  frame: "",
  a: "",
  b: "",
  mode: "wipe",
  diff: "",
  wipe: "50",
  zoom: "1",
  at: "0.5,0.5",
  fset: "highest",
  fm: data.headline[0],
  cost: "seconds",
  costseq: "",
  costm: data.headline[0],
  cov: "",
  point: "",
};
const state = { ...DEFAULTS };

function stateOfHash() {
  const found = { ...DEFAULTS };
  for (const part of location.hash.slice(1).split("&")) {
    const at = part.indexOf("=");
    if (at < 0) continue;
    const name = part.slice(0, at);
    if (!Object.hasOwn(DEFAULTS, name)) continue;
    try {
      found[name] = decodeURIComponent(part.slice(at + 1));
    } catch {
      continue; // not one of our addresses
    }
  }
  return found;
}

const oneOf = (value, allowed, otherwise) => (allowed.includes(value) ? value : otherwise);

// An address may come from another report: what this one does not have falls back.
function settle() {
  state.seq = oneOf(
    state.seq,
    data.sequences.map((s) => s.id),
    DEFAULTS.seq,
  );
  const views = viewSets(state.seq);
  state.views = oneOf(state.views, views, views[0] ?? "");
  for (const name of ["metric", "bdm"]) {
    state[name] = oneOf(
      state[name],
      data.metrics.map((m) => m.id),
      DEFAULTS[name],
    );
  }
  state.costm = oneOf(state.costm, data.headline, DEFAULTS.costm);
  state.conf = oneOf(state.conf, configurations(), "");
  state.x = oneOf(state.x, ["linear", "log"], "linear");
  state.mode = oneOf(
    state.mode,
    MODES.map(([mode]) => mode),
    "wipe",
  );
  state.cost = oneOf(
    state.cost,
    COSTS.map(([cost]) => cost),
    "seconds",
  );
  const zoom = Number(state.zoom);
  state.zoom = String(Number.isFinite(zoom) ? Math.min(Math.max(zoom, 1), 64) : 1);
  const wipe = Number(state.wipe);
  state.wipe = String(Number.isFinite(wipe) ? Math.min(Math.max(wipe, 0), 100) : 50);
}

function writeHash() {
  const parts = Object.entries(state)
    .filter(([name, value]) => value !== DEFAULTS[name])
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  const hash = parts.length ? `#${parts.join("&")}` : "#";
  if (location.hash !== hash) history.replaceState(null, "", hash);
}

// ---- sections: drawn when they come into sight, and again when what they depend on changes

// How far the page has been read: tables can be drawn at once, plots after Plotly, pictures last.
const [TABLES, PLOTS, ALL] = [0, 1, 2];
const sections = [];
let reached = TABLES;

function section(id, needs, keys, draw) {
  sections.push({ id, needs, keys: new Set(keys), draw, dirty: true, seen: false });
}

function reach(stage) {
  reached = stage;
  redraw();
}

function redraw() {
  for (const each of sections) {
    if (each.seen && each.dirty && each.needs <= reached) {
      each.dirty = false;
      each.draw(byId(each.id).querySelector(".body"));
    }
  }
}

function update(changes) {
  const before = { ...state };
  Object.assign(state, changes);
  settle();
  const changed = Object.keys(state).filter((name) => state[name] !== before[name]);
  for (const each of sections) {
    if (changed.some((name) => each.keys.has(name))) each.dirty = true;
  }
  writeHash();
  if (changed.some((name) => SCOPE_KEYS.includes(name))) drawScope();
  redraw();
  if (changed.includes("point")) drawPanel();
}

// ---- controls

function choice(label, key, options, { id = key, value: chosen = state[key] } = {}) {
  const select = make("select", { id: `pick-${id}` });
  for (const [value, text, group] of options) {
    let place = select;
    if (group) {
      place = [...select.querySelectorAll("optgroup")].find((each) => each.label === group);
      if (!place) {
        place = make("optgroup", { label: group });
        select.append(place);
      }
    }
    place.append(make("option", { value }, text));
  }
  select.value = chosen;
  select.addEventListener("change", () => update({ [key]: select.value }));
  return make("div", { class: "field" }, make("label", { for: select.id }, label), select);
}

function toggle(label, key, options) {
  const buttons = options.map(([value, text]) =>
    make(
      "button",
      {
        type: "button",
        "aria-pressed": String(state[key] === value),
        "data-value": value,
        onclick: () => update({ [key]: value }),
      },
      text,
    ),
  );
  return buttonField(label, buttons);
}

function buttonField(label, buttons) {
  const group = make("span", { class: "group", role: "group", "aria-label": label }, buttons);
  return make("div", { class: "field" }, make("span", {}, label), group);
}

function check(label, key) {
  const box = make("input", { type: "checkbox", id: `pick-${key}` });
  box.checked = state[key] === "1";
  box.addEventListener("change", () => update({ [key]: box.checked ? "1" : "" }));
  return make("label", { class: "check" }, box, label);
}

// Draws anew what a form holds, and gives the focus back to the control that had it.
function refill(place, ...children) {
  const active = place.contains(document.activeElement) ? document.activeElement : null;
  const held = active && (active.id || active.dataset.value || active.textContent);
  place.replaceChildren(...children.flat().filter((child) => child !== null));
  if (!held) return;
  const again = [...place.querySelectorAll("select, button, input, canvas")].find(
    (each) => (each.id || each.dataset.value || each.textContent) === held,
  );
  again?.focus({ preventScroll: true });
}

const SCOPE_KEYS = ["seq", "views", "metric", "conf"];

function drawScope() {
  const views = viewSets(state.seq);
  const here = data.sequences[sequenceIndex(state.seq)];
  refill(
    byId("scope"),
    choice(
      "Sequence",
      "seq",
      data.sequences.map((s) => [s.id, s.id]),
    ),
    views.length > 1 || views[0]
      ? choice(
          "Views",
          "views",
          views.map((v) => [v, v || "all"]),
        )
      : null,
    choice(
      "Metric",
      "metric",
      data.metrics.map((m) => [m.id, m.label]),
    ),
    configurations().length > 1
      ? choice("Configuration", "conf", [["", "all"], ...configurations().map((c) => [c, c])])
      : null,
    here?.about ? make("span", { class: "quiet hint" }, here.about) : null,
  );
}
