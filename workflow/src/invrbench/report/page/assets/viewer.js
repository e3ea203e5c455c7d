// Pictures: source, anchor and proposal of one frame, wiped, flipped, magnified or subtracted.

const MODES = [
  ["wipe", "wipe"],
  ["source", "source"],
  ["left", "left"],
  ["right", "right"],
];
const SOURCE = "source";
const AMPLIFIED = 8;
const images = new Map();

// ---- what can be shown

// The point of an address such as codec/configuration/rate point/s0, of this sequence and views.
function indexOfSide(side) {
  return sidePoints().get(side) ?? null;
}

function sidePoints() {
  const found = new Map();
  for (const curve of curvesHere()) {
    if (curve.hull || !["anchor", "proposal"].includes(curve.role)) continue;
    for (const index of range(curve.points)) {
      const folder = folderOf(data.points[index]);
      if (folder && data.points[index].status === "ok")
        found.set(folder.path.split("/").slice(2).join("/"), index);
    }
  }
  return found;
}

function viewsHere() {
  for (const curve of curvesHere()) {
    for (const point of pointsOf(curve)) {
      const views = folderOf(point)?.views?.[state.views];
      if (views?.length) return views;
    }
  }
  return [""];
}

const ownerOf = (side) => {
  if (side === SOURCE) return `s${sequenceIndex(state.seq)}`;
  const index = indexOfSide(side);
  return index === null ? null : String(data.points[index].folder);
};

const pictureText = (side, view, frame) => stored().held[ownerOf(side)]?.[view]?.[frame];

function framesHere(view) {
  const owners = [SOURCE, ...sidePoints().keys()].map(ownerOf);
  const numbers = owners.flatMap((owner) => Object.keys(stored().held[owner]?.[view] ?? {}));
  return [...new Set(numbers)].filter((name) => name !== "slice").sort((one, other) => one - other);
}

// What the viewer shows: what the address asks for as far as it is there, else what tells most.
function shownNow() {
  const views = viewsHere();
  const view = oneOf(state.view, views, views[0] ?? "");
  const frames = framesHere(view);
  const middle = frames[Math.floor(frames.length / 2)] ?? "0";
  const frame = oneOf(state.frame, frames, middle);
  const points = sidePoints();
  const has = (side) => pictureText(side, view, frame) !== undefined;
  const ofRole = (wanted) => [...points.keys()].filter((side) => wanted(curveOf[points.get(side)]));
  const proposals = ofRole((curve) => curve.role === "proposal");
  const right = oneOf(
    state.b,
    [SOURCE, ...points.keys()],
    proposals.filter(has).pop() ?? proposals.pop() ?? [...points.keys()].pop() ?? SOURCE,
  );
  const anchors = ofRole((curve) => curve.codec === data.anchor);
  const left = oneOf(
    state.a,
    [SOURCE, ...points.keys()],
    nearest(anchors.filter(has), right) ?? nearest(anchors, right) ?? SOURCE,
  );
  return { views, view, frames, frame, left, right };
}

// Of the sides, the one whose rate is next to that of another.
function nearest(sides, other) {
  const bytes = (side) => Math.log(valueOf(data.points[indexOfSide(side)], "bitstream_bytes"));
  const index = indexOfSide(other);
  if (!sides.length) return null;
  if (index === null) return sides[0];
  const apart = (side) => Math.abs(bytes(side) - bytes(other));
  return sides.reduce((best, side) => (apart(side) < apart(best) ? side : best));
}

function whyNot(side) {
  const sequence = data.sequences[sequenceIndex(state.seq)];
  if (sequence.publish === null) return "nothing is known of this sequence's pictures";
  if (!sequence.publish) return "no picture of this sequence may be published";
  const folder = side === SOURCE ? null : folderOf(data.points[indexOfSide(side)]);
  if (side === SOURCE) return "the source's files were not there when the report was made";
  if (folder.kept) return `left out to keep this page small; see ${folder.path}/previews/`;
  return `no preview kept; decode again with: ${command("decode", folder.path)}`;
}

// ---- drawing

function load(text) {
  if (!images.has(text)) {
    const image = new Image();
    const entry = { image, ready: false };
    image.onload = () => {
      entry.ready = true;
      paint();
    };
    image.src = `data:image/webp;base64,${text}`;
    images.set(text, entry);
    if (images.size > 60) images.delete(images.keys().next().value);
  }
  return images.get(text);
}

const drawable = (text) => {
  const entry = text === undefined ? null : load(text);
  return entry?.ready ? entry.image : null;
};

const differences = new WeakMap(); // by picture: what it was subtracted from, and the result

// 128 + 8·(decoded − source) of every component, clipped.
function differenceOf(image, source) {
  const made = differences.get(image);
  if (made?.source === source) return made.canvas;
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const samples = (of) => {
    const canvas = make("canvas", { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(of, 0, 0);
    return [context, context.getImageData(0, 0, width, height)];
  };
  const [context, own] = samples(image);
  const reference = samples(source)[1].data;
  for (let at = 0; at < reference.length; at += 1) {
    if (at % 4 !== 3) own.data[at] = 128 + AMPLIFIED * (own.data[at] - reference[at]);
  }
  context.putImageData(own, 0, 0);
  differences.set(image, { source, canvas: context.canvas });
  return context.canvas;
}

const viewer = { canvas: null, now: null };

// The part of the picture in sight, in samples of it.
function windowOf(width, height) {
  const zoom = Number(state.zoom);
  const [x, y] = state.at.split(",").map(Number);
  const [w, h] = [width / zoom, height / zoom];
  const clamp = (centre, size, whole) =>
    Math.min(
      Math.max((Number.isFinite(centre) ? centre : 0.5) * whole - size / 2, 0),
      whole - size,
    );
  return [clamp(x, w, width), clamp(y, h, height), w, h];
}

function sidesInSight() {
  const { left, right } = viewer.now;
  return { wipe: [left, right], source: [SOURCE], left: [left], right: [right] }[state.mode];
}

function paint() {
  const { canvas, now } = viewer;
  if (!canvas?.isConnected || !now) return;
  const context = canvas.getContext("2d");
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [
    Math.round(canvas.clientWidth * scale),
    Math.round(canvas.clientHeight * scale),
  ];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  context.imageSmoothingEnabled = false;
  context.fillStyle = "#e9e9e9";
  context.fillRect(0, 0, width, height);
  const sides = sidesInSight();
  const cut = sides.length > 1 ? Math.round((Number(state.wipe) / 100) * width) : width;
  const source = drawable(pictureText(SOURCE, now.view, now.frame));
  let ready = true;
  sides.forEach((side, at) => {
    const text = pictureText(side, now.view, now.frame);
    let image = drawable(text);
    ready &&= text === undefined || image !== null;
    if (image && state.diff === "1") {
      ready &&= source !== null;
      image = source && differenceOf(image, source);
    }
    if (!image) return;
    context.save();
    context.beginPath();
    context.rect(at ? cut : 0, 0, at ? width - cut : cut, height);
    context.clip();
    context.drawImage(
      image,
      ...windowOf(image.naturalWidth || image.width, image.naturalHeight || image.height),
      0,
      0,
      width,
      height,
    );
    context.restore();
  });
  if (sides.length > 1) {
    context.fillStyle = "#000000";
    context.fillRect(cut - 2 * scale, 0, 4 * scale, height);
    context.fillStyle = "#ffffff";
    context.fillRect(cut - scale, 0, 2 * scale, height);
  }
  canvas.dataset.ready = String(ready);
}

// ---- what is shown, in words

function sideName(side) {
  if (side === SOURCE) return "Source";
  const index = indexOfSide(side);
  return pointLabel(curveOf[index], data.points[index]);
}

function sideDetail(side, now) {
  const lines = [make("b", {}, sideName(side))];
  const rate = data.sequences[sequenceIndex(state.seq)].rate;
  if (side !== SOURCE) {
    const index = indexOfSide(side);
    const point = data.points[index];
    const metric = perFrame().metrics.includes(state.metric) ? state.metric : "psnr_y_db";
    const value = valuesByFrame(index, metric, now.view)[Number(now.frame)] ?? null;
    const whole = shown(point, metric);
    const bytes = shown(point, "bitstream_bytes");
    const words = [
      bytes === null ? "" : `${Number(bytes).toLocaleString("en")} bytes`,
      rateText(point, rate),
    ];
    if (metricIndex.has(metric)) {
      if (value !== null)
        words.push(
          `${metricOf(metric).axis} of frame ${now.frame}: ${value.toFixed(metricOf(metric).decimals)}`,
        );
      if (whole !== null) words.push(`of all frames: ${whole}`);
    }
    lines.push(make("br"), words.filter(Boolean).join(" · "), " ", pointButton(index, "records"));
  }
  if (pictureText(side, now.view, now.frame) === undefined) {
    lines.push(make("br"), make("span", { class: "reason missing-picture" }, whyNot(side)));
  }
  return lines.flat();
}

// What can stand on a side: the source, and every point by its curve.
function sideOptions(now) {
  const options = [[SOURCE, "Source"]];
  for (const [side, index] of sidePoints()) {
    const [point, curve] = [data.points[index], curveOf[index]];
    const seed = point.seed === "0" ? "" : `, seed ${point.seed}`;
    const missing = pictureText(side, now.view, now.frame) === undefined ? " (no picture)" : "";
    options.push([side, `${curve.codec} ${point.id}${seed}${missing}`, curve.name]);
  }
  return options;
}

function viewerBar(now) {
  const options = sideOptions(now);
  const each = (values) => values.map((value) => [value, value]);
  return make(
    "div",
    { class: "bar" },
    choice("Left", "a", options, { value: now.left }),
    choice("Right", "b", options, { value: now.right }),
    now.views.length > 1 ? choice("View", "view", each(now.views), { value: now.view }) : null,
    choice("Frame", "frame", each(now.frames), { value: now.frame }),
    toggle("Show", "mode", MODES),
    check(`difference ×${AMPLIFIED} to the source`, "diff"),
    zoomButtons(),
  );
}

function drawPictures(place) {
  const now = shownNow();
  viewer.now = now;
  if (!now.frames.length) {
    refill(
      place,
      make(
        "p",
        { class: "note missing-picture" },
        `There is no picture of ${state.seq} here: ${whyNot(sidePoints().size ? now.right : SOURCE)}.`,
      ),
    );
    viewer.canvas = null;
    return;
  }
  refill(
    place,
    viewerBar(now),
    stage(now),
    state.diff === "1"
      ? make(
          "p",
          { class: "note" },
          `Grey 128 is equal to the source; each step of a component is shown as ${AMPLIFIED}.`,
        )
      : null,
    make(
      "div",
      { class: "sides" },
      make("div", { id: "side-left" }, sideDetail(now.left, now)),
      make("div", { id: "side-right" }, sideDetail(now.right, now)),
    ),
    make("p", { class: "note" }, sizeNote()),
    make(
      "p",
      { class: "note hint" },
      "Drag to wipe; when magnified, drag to move. In the picture: arrows wipe or move, F flips source, left and right, W wipes, D difference, + and − magnify, 0 fits, comma and full stop change the frame; the wheel magnifies once the picture is selected.",
    ),
  );
  viewer.canvas = place.querySelector("canvas");
  paint();
}

function sizeNote() {
  const size = stored().sizes[String(sequenceIndex(state.seq))];
  const factor = (size?.shrink ?? 1) * stored().factor;
  return factor > 1
    ? `Pictures are lossless, averaged over ${factor}×${factor} samples of the decoded frames.`
    : "Pictures are lossless and of full size, 8-bit RGB.";
}

// The picture in its frame and, to wipe, the slider of the line.
function stage(now) {
  const sides = sidesInSight().map(sideName);
  const words =
    sides.length > 1 ? `${sides[0]} left of the line, ${sides[1]} right of it` : sides[0];
  const canvas = make("canvas", {
    id: "viewer",
    tabindex: "0",
    role: "img",
    class: Number(state.zoom) > 1 ? "zoomed" : "",
    "aria-label": `${words}, frame ${now.frame}`,
  });
  listen(canvas);
  const made = [
    make("div", { class: "stage" }, canvas, tags(now)),
    ...(sides.length > 1 ? [wipeSlider()] : []),
  ];
  const text = [SOURCE, now.left, now.right]
    .map((side) => pictureText(side, now.view, now.frame))
    .find((each) => each !== undefined);
  const fit = (width, height) => {
    made[0].style.aspectRatio = `${width} / ${height}`;
    for (const node of made)
      node.style.width = `min(100%, ${((0.6 * window.innerHeight * width) / height).toFixed(0)}px)`;
    paint();
  };
  const entry = text === undefined ? null : load(text);
  const fitted = () => fit(entry.image.naturalWidth, entry.image.naturalHeight);
  if (entry?.ready) fitted();
  else fit(16, 9);
  if (entry && !entry.ready) entry.image.addEventListener("load", fitted);
  return made;
}

function wipeSlider() {
  const slider = make("input", {
    type: "range",
    id: "wipe",
    min: "0",
    max: "100",
    step: "0.5",
    "aria-label": "Position of the line between left and right",
  });
  slider.value = state.wipe;
  slider.addEventListener("input", () => light({ wipe: slider.value }));
  return slider;
}

function tags(now) {
  const words = (side) =>
    state.diff === "1" && side !== SOURCE
      ? `${sideName(side)}: difference ×${AMPLIFIED}`
      : sideName(side);
  const [one, other] = sidesInSight();
  return [
    make("span", { class: "tag l" }, words(one)),
    other ? make("span", { class: "tag r" }, words(other)) : null,
  ];
}
