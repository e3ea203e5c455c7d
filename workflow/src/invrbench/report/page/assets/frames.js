// Quality by frame of one point of each curve, or of the two points of the pictures.

const FRAME_SETS = [
  ["highest", "highest rate of every curve"],
  ["lowest", "lowest rate of every curve"],
  ["viewer", "the two points of the pictures"],
];

function framePoints() {
  if (state.fset === "viewer") {
    const { left, right } = shownNow();
    return [left, right].map(indexOfSide).filter((index) => index !== null);
  }
  const ends = [];
  for (const curve of curvesHere()) {
    const rated = range(curve.points)
      .filter(
        (index) =>
          data.points[index].status === "ok" &&
          valueOf(data.points[index], "bitstream_bytes") !== null,
      )
      .sort(
        (one, other) =>
          valueOf(data.points[one], "bitstream_bytes") -
          valueOf(data.points[other], "bitstream_bytes"),
      );
    if (rated.length && !curve.hull)
      ends.push(state.fset === "lowest" ? rated[0] : rated[rated.length - 1]);
  }
  return ends;
}

const range = ([start, stop]) =>
  Array.from({ length: stop - start }, (_, offset) => start + offset);

function valuesByFrame(index, metric, view) {
  const at = perFrame().metrics.indexOf(metric);
  return perFrame().points[String(data.points[index].folder)]?.[view]?.[at] ?? [];
}

function drawFrames(place) {
  const held = perFrame();
  if (!held.held) {
    place.replaceChildren(
      make("p", { class: "note" }, "No per-frame values lie beside these results."),
    );
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
    choice(
      "Metric by frame",
      "fm",
      metrics.map((id) => [id, metricOf(id).label]),
      { value: metric.id },
    ),
    views.length > 1
      ? choice(
          "View",
          "view",
          views.map((v) => [v, v]),
          { id: "view-frames", value: view },
        )
      : null,
  );
  const title = `${state.seq} ${view}`.trim();
  node.setAttribute("aria-label", `${metric.label} by frame of ${title}`);
  plot(
    node,
    traces,
    layoutOf(
      `${title} · ${metric.label} by frame`,
      { title: { text: "Frame" } },
      { title: { text: metric.axis } },
    ),
  );
  const kept =
    held.held < held.total
      ? `This page holds per-frame values of ${held.held} of ${held.total} points. `
      : "";
  place.querySelector(".note").textContent =
    `${kept}All values are in frames.tsv beside each point's records.`;
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
    text: values.map((value, frame) =>
      value === null
        ? ""
        : `<b>${plain(pointLabel(curve, point))}</b><br>frame ${frame}: ${value.toFixed(metric.decimals)}`,
    ),
    hoverinfo: "text",
    line: lineStyle(curve.look),
    marker: { ...markerStyle(curve.look), maxdisplayed: every > 1 ? 14 : 0 },
    legendrank: rank,
  };
}
