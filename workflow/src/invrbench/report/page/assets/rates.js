// Rate and quality: the curves of a sequence, the points that are not there, and all values.

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
  return {
    symbol: look.symbol || "circle",
    color: look.colour,
    size: look.size,
    line: { color: look.colour, width: 1 },
  };
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
  const range = (p) =>
    p.low[q] === null ? "" : `, ${p.low[q].toFixed(decimals)} to ${p.high[q].toFixed(decimals)}`;
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
    text: means.map((p) =>
      plain(`${curve.name}, ${p.id}: ${p.values[q].toFixed(decimals)}${range(p)}`),
    ),
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
  const curves = [...curvesHere()].sort(
    (one, other) => (ORDER[one.role] ?? 2) - (ORDER[other.role] ?? 2),
  );
  const traces = curves.flatMap((curve, rank) => curveTrace(curve, state.metric, rate, rank));
  let node = place.querySelector(".chart");
  if (!node) {
    node = make("div", { class: "chart", id: "rd-plot", role: "img" });
    place.append(make("div", { class: "bar" }), node, make("div", { class: "below" }));
  }
  refill(
    place.querySelector(".bar"),
    toggle("Rate axis", "x", [
      ["linear", "linear"],
      ["log", "logarithmic"],
    ]),
  );
  const title = `${state.seq} ${state.views}`.trim();
  node.setAttribute(
    "aria-label",
    `${metric.label} over rate of ${title}; the values are in the table below`,
  );
  const quality = metric.axis + (metric.falling ? ", lower is better" : "");
  plot(
    node,
    traces,
    layoutOf(`${title} · ${metric.label}`, rateAxis(rate), { title: { text: quality } }),
  );
  refill(
    place.querySelector(".below"),
    make(
      "p",
      { class: "note hint" },
      "Select a point for its values, records and commands; a name in the legend hides its curve.",
    ),
    absences(curves),
    valuesTable(curves, rate),
  );
}

const pointLabel = (curve, point) =>
  `${curve.name}, ${point.id}${point.seed === "0" ? "" : `, seed ${point.seed}`}`;

function pointButton(index, text) {
  return make("button", { type: "button", class: "link", onclick: () => openPoint(index) }, text);
}

function reasonOf(point, metric) {
  if (!PRESENT.has(point.status))
    return `${point.status}: ${point.reason === undefined ? "no reason recorded" : told(point.reason)}`;
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
    const buttons = members.flatMap((index, at) => [
      at ? ", " : "",
      pointButton(index, data.points[index].id),
    ]);
    return make("li", {}, `${name}, `, buttons, ": ", make("span", { class: "reason" }, why));
  });
  return make(
    "div",
    { id: "absent" },
    make("h3", {}, "Not in this plot"),
    make("ul", { class: "points" }, items),
  );
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
          make(
            "td",
            { class: "left" },
            pointButton(index, point.id + (point.seed === "0" ? "" : `, seed ${point.seed}`)),
          ),
          make("td", { class: "number" }, shown(point, rate) ?? ""),
          value === null
            ? make("td", { class: "reason" }, reasonOf(point, state.metric))
            : make("td", { class: "number" }, value),
        ),
      );
    }
  }
  const heads = ["Codec", "Rate point", rate === "bpp" ? "bit/pixel" : "kbit/s", metric.axis];
  const head = make(
    "tr",
    {},
    heads.map((text) => make("th", { scope: "col" }, text)),
  );
  const table = make("table", {}, make("thead", {}, head), make("tbody", {}, rows));
  return make(
    "details",
    {},
    make("summary", {}, "Values of this plot"),
    make("div", { class: "scroll" }, table),
  );
}
