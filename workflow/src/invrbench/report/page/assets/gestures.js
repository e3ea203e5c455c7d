// The viewer's gestures: buttons, drags, wheel and keys that magnify, move, wipe and flip.

function zoomButtons() {
  const button = (text, label, act) =>
    make("button", { type: "button", "aria-label": label, onclick: act }, text);
  const zoom = Number(state.zoom);
  return buttonField(`Magnified ×${zoom.toFixed(zoom < 10 ? 1 : 0)}`, [
    button("−", "smaller", () => zoomBy(0.5)),
    button("fit", "whole picture", () => update({ zoom: "1", at: "0.5,0.5" })),
    button("+", "larger", () => zoomBy(2)),
  ]);
}

function zoomBy(factor, x = 0.5, y = 0.5) {
  const [zoom, wanted] = [
    Number(state.zoom),
    Math.min(Math.max(Number(state.zoom) * factor, 1), 64),
  ];
  const [left, top, width, height] = windowOf(1, 1);
  const [fixedX, fixedY] = [left + x * width, top + y * height];
  const centre = [fixedX + (0.5 - x) / wanted, fixedY + (0.5 - y) / wanted];
  if (wanted !== zoom)
    update({ zoom: String(wanted), at: centre.map((each) => each.toFixed(4)).join(",") });
}

function moveBy(x, y) {
  const [left, top, width, height] = windowOf(1, 1);
  const clamp = (value) => Math.min(Math.max(value, 0), 1);
  light({
    at: `${clamp(left + width / 2 + x * width).toFixed(4)},${clamp(top + height / 2 + y * height).toFixed(4)}`,
  });
}

// A change that the canvas alone shows, as it happens many times in a second.
function light(changes) {
  Object.assign(state, changes);
  const slider = byId("wipe");
  if (slider) slider.value = state.wipe;
  paint();
  clearTimeout(light.timer);
  light.timer = setTimeout(writeHash, 150);
}

function listen(canvas) {
  let last = null;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const wipes = () => state.mode === "wipe" && Number(state.zoom) === 1;
  canvas.addEventListener("pointerdown", (event) => {
    last = place(event);
    canvas.setPointerCapture(event.pointerId);
    if (wipes()) light({ wipe: String(Math.round(1000 * last[0]) / 10) });
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const here = place(event);
    if (wipes())
      light({ wipe: String(Math.min(Math.max(Math.round(1000 * here[0]) / 10, 0), 100)) });
    else moveBy(last[0] - here[0], last[1] - here[1]);
    last = here;
  });
  for (const name of ["pointerup", "pointercancel"])
    canvas.addEventListener(name, () => (last = null));
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      zoomBy(event.deltaY < 0 ? 1.5 : 1 / 1.5, ...place(event));
    },
    { passive: false },
  );
  canvas.addEventListener("keydown", onKey);
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = STEPS[event.key];
  const { frames, frame } = viewer.now;
  const at = frames.indexOf(frame);
  const next = { f: { source: "left", left: "right" }[state.mode] ?? "source" };
  const acts = {
    f: () => update({ mode: next.f }),
    w: () => update({ mode: "wipe" }),
    d: () => update({ diff: state.diff === "1" ? "" : "1" }),
    "+": () => zoomBy(2),
    "=": () => zoomBy(2),
    "-": () => zoomBy(0.5),
    0: () => update({ zoom: "1", at: "0.5,0.5" }),
    ",": () => update({ frame: frames[Math.max(at - 1, 0)] }),
    ".": () => update({ frame: frames[Math.min(at + 1, frames.length - 1)] }),
  };
  const act = acts[event.key.toLowerCase()];
  if (step && Number(state.zoom) > 1 && !event.shiftKey) moveBy(0.1 * step[0], 0.1 * step[1]);
  else if (step && step[0] && state.mode === "wipe")
    light({ wipe: String(Math.min(Math.max(Number(state.wipe) + 2 * step[0], 0), 100)) });
  else if (act) act();
  else return;
  event.preventDefault();
}
