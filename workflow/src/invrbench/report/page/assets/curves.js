// Plots: rate and quality, quality by frame, complexity.

const FONT = { family: "system-ui, 'Segoe UI', Arial, sans-serif", size: 13, color: "#1a1a1a" };
const GRID = { gridcolor: "#dddddd", linecolor: "#1a1a1a", showline: true, zeroline: false, ticks: "outside" };
const isNarrow = () => window.innerWidth <= 720;

function layoutOf(title, x, y) {
  const narrow = isNarrow();
  const marks = data.head.marks.length ? ` · <b>${plain(data.head.marks.join(" · "))}</b>` : "";
  return {
    title: {
      text: `${narrow ? wrapped(title, 40) : plain(title)}<br><span style="font-size:11px">${plain(data.head.heading)}${marks}</span>`,
      x: 0,
      xref: "paper",
      xanchor: "left",
      font: { ...FONT, size: 15 },
    },
    font: FONT,
    paper_bgcolor: "#ffffff",
    plot_bgcolor: "#ffffff",
    margin: { l: narrow ? 50 : 64, r: 12, t: narrow ? 84 : 58, b: 50 },
    xaxis: { ...GRID, ...x },
    yaxis: { ...GRID, ...y },
    hovermode: "closest",
    hoverlabel: { bgcolor: "#ffffff", bordercolor: "#1a1a1a", font: { ...FONT, size: 12 }, align: "left" },
    showlegend: true,
    legend: narrow
      ? { x: 0, y: 0, yref: "container", yanchor: "bottom", font: { size: 11 }, tracegroupgap: 0 }
      : { x: 1.02, y: 1, font: { size: 12 }, tracegroupgap: 0 },
  };
}

// Named one by one: newer versions of Plotly add a button that sends a plot's data to its makers.
const BUTTONS = [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "autoScale2d", "resetScale2d"]];

function plot(node, traces, layout) {
  const settings = { displaylogo: false, responsive: true, modeBarButtons: BUTTONS };
  if (isNarrow()) makeRoom(node, traces, layout);
  Plotly.react(node, traces, layout, settings);
  if (node.dataset.listens) return;
  node.dataset.listens = "1";
  node.on("plotly_click", (event) => {
    const index = event.points[0]?.customdata;
    if (Number.isInteger(index)) openPoint(index);
  });
}

// On a narrow screen the legend lies beneath the plot, which grows by as many lines.
function makeRoom(node, traces, layout) {
  const lines = traces.filter((trace) => trace.showlegend !== false).map((trace) => trace.name.split("<br>").length);
  const legend = lines.reduce((sum, count) => sum + 6 + 14 * count, 20);
  node.style.height = `${440 + legend}px`;
  layout.margin.b = 56 + legend;
}

// ---- rate and quality

function drawnPairs(curve, metric, rate) {
  const pairs = [];
  for (let index = curve.points[0]; index < curve.points[1]; index += 1) {
    const point = data.points[index];
    const [x, y] = [valueOf(point, rate), valueOf(point, metric)];
    if (PRESENT.has(point.status) && x !== null && y !== null) pairs.push({ x, y, index });
  }
  pairs.sort((one, other) => one.x - other.x);
  return curve.hull ? front(pairs, metricOf(metric).falling) : pairs;
}

// The pairs that no other one matches at less rate.
function front(pairs, falling) {
  const kept = [];
  for (const pair of pairs) {
    const last = kept[kept.length - 1];
    if (!last || (falling ? pair.y < last.y : pair.y > last.y)) kept.push(pair);
  }
  return kept;
}

function lineStyle(look) {
  return { color: look.colour, dash: look.dash, width: look.width };
}

function markerStyle(look) {
  return { symbol: look.symbol || "circle", color: look.colour, size: look.size, line: { color: look.colour, width: 1 } };
}

function hoverOf(index, metric, rate) {
  const [point, curve] = [data.points[index], curveOf[index]];
  const lines = [
    `<b>${plain(curve.name)}</b>`,
    plain(`${point.id}${point.seed === "0" ? "" : `, seed ${point.seed}`}`),
    plain(rateText(point, rate)),
  ];
  for (const id of new Set([metric, ...data.headline])) {
    const text = shown(point, id);
    if (text !== null) lines.push(plain(`${metricOf(id).axis}: ${text}`));
  }
  const bytes = shown(point, "bitstream_bytes");
  if (bytes !== null) lines.push(`${Number(bytes).toLocaleString("en")} bytes`);
  return lines.join("<br>");
}

function legendName(curve, count) {
  const name = curve.role === "published" ? `${curve.name} [published]` : curve.name;
  const expected = pointsOf(curve).filter((p) => p.status !== "skipped").length;
  const partial = !curve.hull && !curve.pooled && count < expected;
  return wrapped(partial ? `${name}: ${count} of ${expected} points` : name, isNarrow() ? 40 : 34);
}

function curveTrace(curve, metric, rate, rank) {
  const pairs = drawnPairs(curve, metric, rate);
  if (!pairs.length) return [];
  if (curve.pooled) return pooledTraces(curve, pairs, metric, rate, rank);
  return [
    {
      type: "scatter",
      mode: curve.look.symbol ? "lines+markers" : "lines",
      name: legendName(curve, pairs.length),
      x: pairs.map((pair) => pair.x),
      y: pairs.map((pair) => pair.y),
      customdata: pairs.map((pair) => pair.index),
      text: pairs.map((pair) => hoverOf(pair.index, metric, rate)),
      hoverinfo: "text",
      line: lineStyle(curve.look),
      marker: markerStyle(curve.look),
      legendrank: rank,
    },
  ];
}

// Several seeds: the band from their smallest to their largest value, their mean, and each seed.
function pooledTraces(curve, pairs, metric, rate, rank) {
  const [q, r] = [columnIndex.get(metric), columnIndex.get(rate)];
  const means = curve.pooled
    .filter((p) => p.values[q] !== null && p.values[r] !== null)
    .sort((one, other) => one.values[r] - other.values[r]);
  const spread = means.filter((p) => p.low[q] !== null && p.high[q] !== null);
  const along = [...spread, ...[...spread].reverse()];
  const group = { legendgroup: curve.id, legendrank: rank };
  const decimals = data.columns[q].decimals;
  const range = (p) => (p.low[q] === null ? "" : `, ${p.low[q].toFixed(decimals)} to ${p.high[q].toFixed(decimals)}`);
  const traces = [];
  if (spread.length > 1) {
    traces.push({
      ...group,
      type: "scatter",
      mode: "lines",
      name: `${legendName(curve, means.length)}<br>smallest to largest`,
      x: along.map((p) => p.values[r]),
      y: [...spread.map((p) => p.high[q]), ...[...spread].reverse().map((p) => p.low[q])],
      fill: "toself",
      fillcolor: `${curve.look.colour}30`,
      line: { color: curve.look.colour, width: 0.6 },
      hoverinfo: "skip",
    });
  }
  traces.push({
    ...group,
    type: "scatter",
    mode: "lines+markers",
    name: legendName(curve, means.length),
    x: means.map((p) => p.values[r]),
    y: means.map((p) => p.values[q]),
    text: means.map((p) => plain(`${curve.name}, ${p.id}: ${p.values[q].toFixed(decimals)}${range(p)}`)),
    hoverinfo: "text",
    line: lineStyle(curve.look),
    marker: markerStyle(curve.look),
  });
  traces.push({
    ...group,
    type: "scatter",
    mode: "markers",
    showlegend: false,
    x: pairs.map((pair) => pair.x),
    y: pairs.map((pair) => pair.y),
    customdata: pairs.map((pair) => pair.index),
    text: pairs.map((pair) => hoverOf(pair.index, metric, rate)),
    hoverinfo: "text",
    marker: { symbol: "circle-open", size: 4, color: curve.look.colour },
  });
  return traces;
}

const ORDER = { anchor: 0, published: 1 };

function rateAxis(rate) {
  const title = { text: rate === "bpp" ? "Rate (bit/pixel)" : "Rate (kbit/s)" };
  return state.x === "log"
    ? { title, type: "log", dtick: "D2", exponentformat: "none" }
    : { title, type: "linear", rangemode: "tozero", exponentformat: "none" };
}

function drawRates(place) {
  const rate = data.sequences[sequenceIndex(state.seq)]?.rate ?? "bpp";
  const metric = metricOf(state.metric);
  const curves = [...curvesHere()].sort((one, other) => (ORDER[one.role] ?? 2) - (ORDER[other.role] ?? 2));
  const traces = curves.flatMap((curve, rank) => curveTrace(curve, state.metric, rate, rank));
  let node = place.querySelector(".chart");
  if (!node) {
    node = make("div", { class: "chart", id: "rd-plot", role: "img" });
    place.append(make("div", { class: "bar" }), node, make("div", { class: "below" }));
  }
  refill(place.querySelector(".bar"), toggle("Rate axis", "x", [["linear", "linear"], ["log", "logarithmic"]]));
  const title = `${state.seq} ${state.views}`.trim();
  node.setAttribute("aria-label", `${metric.label} over rate of ${title}; the values are in the table below`);
  const quality = metric.axis + (metric.falling ? ", lower is better" : "");
  plot(node, traces, layoutOf(`${title} · ${metric.label}`, rateAxis(rate), { title: { text: quality } }));
  refill(
    place.querySelector(".below"),
    make("p", { class: "note hint" }, "Select a point for its values, records and commands; a name in the legend hides its curve."),
    absences(curves),
    valuesTable(curves, rate),
  );
}

const pointLabel = (curve, point) => `${curve.name}, ${point.id}${point.seed === "0" ? "" : `, seed ${point.seed}`}`;

function pointButton(index, text) {
  return make("button", { type: "button", class: "link", onclick: () => openPoint(index) }, text);
}

function reasonOf(point, metric) {
  if (!PRESENT.has(point.status)) return `${point.status}: ${point.reason === undefined ? "no reason recorded" : told(point.reason)}`;
  const why = point.why?.[String(columnIndex.get(metric))];
  return why === undefined ? "not measured" : told(why);
}

// Points that are not in the plot, each reason once with the points it holds for.
function absences(curves) {
  const groups = new Map();
  for (const curve of curves) {
    if (curve.hull) continue;
    for (let index = curve.points[0]; index < curve.points[1]; index += 1) {
      const point = data.points[index];
      if (PRESENT.has(point.status) && valueOf(point, state.metric) !== null) continue;
      const key = JSON.stringify([curve.name, reasonOf(point, state.metric)]);
      groups.set(key, [...(groups.get(key) ?? []), index]);
    }
  }
  if (!groups.size) return null;
  const items = [...groups].map(([key, members]) => {
    const [name, why] = JSON.parse(key);
    const buttons = members.flatMap((index, at) => [at ? ", " : "", pointButton(index, data.points[index].id)]);
    return make("li", {}, `${name}, `, buttons, ": ", make("span", { class: "reason" }, why));
  });
  return make("div", { id: "absent" }, make("h3", {}, "Not in this plot"), make("ul", { class: "points" }, items));
}

function valuesTable(curves, rate) {
  const metric = metricOf(state.metric);
  const rows = [];
  for (const curve of curves) {
    if (curve.hull) continue;
    for (let index = curve.points[0]; index < curve.points[1]; index += 1) {
      const point = data.points[index];
      const value = shown(point, state.metric);
      rows.push(
        make(
          "tr",
          {},
          make("td", { class: "left" }, curve.name),
          make("td", { class: "left" }, pointButton(index, point.id + (point.seed === "0" ? "" : `, seed ${point.seed}`))),
          make("td", { class: "number" }, shown(point, rate) ?? ""),
          value === null
            ? make("td", { class: "reason" }, reasonOf(point, state.metric))
            : make("td", { class: "number" }, value),
        ),
      );
    }
  }
  const heads = ["Codec", "Rate point", rate === "bpp" ? "bit/pixel" : "kbit/s", metric.axis];
  const head = make("tr", {}, heads.map((text) => make("th", { scope: "col" }, text)));
  const table = make("table", {}, make("thead", {}, head), make("tbody", {}, rows));
  return make("details", {}, make("summary", {}, "Values of this plot"), make("div", { class: "scroll" }, table));
}

// ---- quality by frame

const FRAME_SETS = [["highest", "highest rate of every curve"], ["lowest", "lowest rate of every curve"], ["viewer", "the two points of the pictures"]];

function framePoints() {
  if (state.fset === "viewer") {
    const { left, right } = shownNow();
    return [left, right].map(indexOfSide).filter((index) => index !== null);
  }
  const ends = [];
  for (const curve of curvesHere()) {
    const rated = range(curve.points)
      .filter((index) => data.points[index].status === "ok" && valueOf(data.points[index], "bitstream_bytes") !== null)
      .sort((one, other) => valueOf(data.points[one], "bitstream_bytes") - valueOf(data.points[other], "bitstream_bytes"));
    if (rated.length && !curve.hull) ends.push(state.fset === "lowest" ? rated[0] : rated[rated.length - 1]);
  }
  return ends;
}

const range = ([start, stop]) => Array.from({ length: stop - start }, (_, offset) => start + offset);

function valuesByFrame(index, metric, view) {
  const at = perFrame().metrics.indexOf(metric);
  return perFrame().points[String(data.points[index].folder)]?.[view]?.[at] ?? [];
}

function drawFrames(place) {
  const held = perFrame();
  if (!held.held) {
    place.replaceChildren(make("p", { class: "note" }, "No per-frame values lie beside these results."));
    return;
  }
  const views = viewsHere();
  const view = oneOf(state.view, views, views[0] ?? "");
  const metrics = held.metrics.filter((id) => metricIndex.has(id));
  const metric = metricOf(oneOf(state.fm, metrics, metrics[0]));
  const listed = framePoints();
  const traces = listed
    .map((index) => [index, valuesByFrame(index, metric.id, view)])
    .filter(([, values]) => values.some((value) => value !== null))
    .map(([index, values], rank) => frameTrace(index, values, metric, rank));
  let node = place.querySelector(".chart");
  if (!node) {
    node = make("div", { class: "chart", id: "frames-plot", role: "img" });
    place.replaceChildren(make("div", { class: "bar" }), node, make("p", { class: "note" }));
  }
  refill(
    place.querySelector(".bar"),
    choice("Points", "fset", FRAME_SETS),
    choice("Metric by frame", "fm", metrics.map((id) => [id, metricOf(id).label])),
    views.length > 1 ? choice("View", "view", views.map((v) => [v, v]), { id: "view-frames" }) : null,
  );
  const title = `${state.seq} ${view}`.trim();
  node.setAttribute("aria-label", `${metric.label} by frame of ${title}`);
  plot(node, traces, layoutOf(`${title} · ${metric.label} by frame`, { title: { text: "Frame" } }, { title: { text: metric.axis } }));
  const kept = held.held < held.total ? `This page holds per-frame values of ${held.held} of ${held.total} points. ` : "";
  place.querySelector(".note").textContent = `${kept}All values are in frames.tsv beside each point's records.`;
}

function frameTrace(index, values, metric, rank) {
  const [point, curve] = [data.points[index], curveOf[index]];
  const every = Math.max(1, Math.ceil(values.length / 12));
  return {
    type: "scatter",
    mode: "lines+markers",
    name: wrapped(pointLabel(curve, point), isNarrow() ? 40 : 34),
    x: values.map((_, frame) => frame),
    y: values,
    customdata: values.map(() => index),
    text: values.map((value, frame) => (value === null ? "" : `<b>${plain(pointLabel(curve, point))}</b><br>frame ${frame}: ${value.toFixed(metric.decimals)}`)),
    hoverinfo: "text",
    line: lineStyle(curve.look),
    marker: { ...markerStyle(curve.look), maxdisplayed: every > 1 ? 14 : 0 },
    legendrank: rank,
  };
}

// ---- complexity

const COSTS = [["seconds", "decoding, seconds per frame"], ["kmac", "kMAC/pixel (self-reported)"]];

function drawCosts(place) {
  const sequences = [...new Set(data.costs.map((each) => each.sequence))];
  const sequence = oneOf(state.costseq, sequences, sequences.includes("") ? "" : (sequences[0] ?? ""));
  const listed = data.costs.filter((each) => each.sequence === sequence);
  const drawn = listed.filter((each) => each[state.cost] !== null && each.bd[state.costm][0] !== null);
  const label = metricOf(state.costm).label;
  let node = place.querySelector(".chart");
  if (!node) {
    node = make("div", { class: "chart", id: "cost-plot", role: "img" });
    place.replaceChildren(make("div", { class: "bar" }), node, make("div", { class: "below" }));
  }
  refill(
    place.querySelector(".bar"),
    choice("Cost", "cost", COSTS),
    choice("BD-rate of", "costm", data.headline.map((id) => [id, metricOf(id).label])),
    choice("Over", "costseq", sequences.map((name) => [name, name || "all sequences (mean)"])),
  );
  const xTitle = COSTS.find(([cost]) => cost === state.cost)[1];
  node.setAttribute("aria-label", `BD-rate over ${xTitle}; the table below has the values`);
  const layout = layoutOf(
    `BD-rate (${label}) over ${xTitle}`,
    { title: { text: xTitle }, type: "log", dtick: "D2", exponentformat: "none" },
    { title: { text: "BD-rate (%), negative is better" }, zeroline: true, zerolinecolor: "#1a1a1a" },
  );
  plot(node, drawn.map((each, rank) => costTrace(each, rank)), layout);
  const left = listed.filter((each) => !drawn.includes(each));
  const items = left.map((each) => {
    const why = each.bd[state.costm][0] === null ? told(each.bd[state.costm][1]) : "cost not stated";
    return make("li", {}, `${`${each.name} ${each.views}`.trim()}: `, make("span", { class: "reason" }, why));
  });
  place.querySelector(".below").replaceChildren(
    ...(items.length ? [make("h3", {}, "Not in this plot"), make("ul", { class: "points" }, items)] : []),
    make("details", {}, make("summary", {}, data.tables.complexity.title), tableOf(data.tables.complexity)),
  );
}

function costTrace(each, rank) {
  const look = curveById.get(each.id)?.look ?? { colour: "#1a1a1a", symbol: "circle", size: 8, dash: "solid", width: 1 };
  const name = `${each.name} ${each.views}`.trim();
  return {
    type: "scatter",
    mode: "markers",
    name: wrapped(name, isNarrow() ? 40 : 34),
    x: [each[state.cost]],
    y: [each.bd[state.costm][0]],
    text: [`<b>${plain(name)}</b><br>${plain(told(each.bd[state.costm][1]))}<br>${plain(each[state.cost])} ${state.cost === "kmac" ? "kMAC/pixel" : "s per frame"}`],
    hoverinfo: "text",
    marker: { ...markerStyle(look), size: 1.4 * look.size },
    legendrank: rank,
  };
}
