// Complexity: BD-rate over what decoding costs.

const COSTS = [
  ["seconds", "decoding, seconds per frame"],
  ["kmac", "kMAC/pixel (self-reported)"],
];

function drawCosts(place) {
  const sequences = [...new Set(data.costs.map((each) => each.sequence))];
  const sequence = oneOf(
    state.costseq,
    sequences,
    sequences.includes("") ? "" : (sequences[0] ?? ""),
  );
  const listed = data.costs.filter((each) => each.sequence === sequence);
  const drawn = listed.filter(
    (each) => each[state.cost] !== null && each.bd[state.costm][0] !== null,
  );
  const label = metricOf(state.costm).label;
  let node = place.querySelector(".chart");
  if (!node) {
    node = make("div", { class: "chart", id: "cost-plot", role: "img" });
    place.replaceChildren(make("div", { class: "bar" }), node, make("div", { class: "below" }));
  }
  refill(
    place.querySelector(".bar"),
    choice("Cost", "cost", COSTS),
    choice(
      "BD-rate of",
      "costm",
      data.headline.map((id) => [id, metricOf(id).label]),
    ),
    choice(
      "Over",
      "costseq",
      sequences.map((name) => [name, name || "all sequences (mean)"]),
      { value: sequence },
    ),
  );
  const xTitle = COSTS.find(([cost]) => cost === state.cost)[1];
  node.setAttribute("aria-label", `BD-rate over ${xTitle}; the table below has the values`);
  const layout = layoutOf(
    `BD-rate (${label}) over ${xTitle}`,
    { title: { text: xTitle }, type: "log", dtick: "D2", exponentformat: "none" },
    {
      title: { text: "BD-rate (%), negative is better" },
      zeroline: true,
      zerolinecolor: "#1a1a1a",
    },
  );
  plot(
    node,
    drawn.map((each, rank) => costTrace(each, rank)),
    layout,
  );
  const left = listed.filter((each) => !drawn.includes(each));
  const items = left.map((each) => {
    const why =
      each.bd[state.costm][0] === null ? told(each.bd[state.costm][1]) : "cost not stated";
    return make(
      "li",
      {},
      `${`${each.name} ${each.views}`.trim()}: `,
      make("span", { class: "reason" }, why),
    );
  });
  place
    .querySelector(".below")
    .replaceChildren(
      ...(items.length
        ? [make("h3", {}, "Not in this plot"), make("ul", { class: "points" }, items)]
        : []),
      ...["complexity", "bytes", "drift"]
        .map((name) => data.tables[name])
        .filter((table) => table.rows.length)
        .map((table) => make("details", {}, make("summary", {}, table.title), tableOf(table))),
    );
}

function costTrace(each, rank) {
  const look = curveById.get(each.id)?.look ?? {
    colour: "#1a1a1a",
    symbol: "circle",
    size: 8,
    dash: "solid",
    width: 1,
  };
  const name = `${each.name} ${each.views}`.trim();
  return {
    type: "scatter",
    mode: "markers",
    name: wrapped(name, isNarrow() ? 40 : 34),
    x: [each[state.cost]],
    y: [each.bd[state.costm][0]],
    text: [
      `<b>${plain(name)}</b><br>${plain(told(each.bd[state.costm][1]))}<br>${plain(each[state.cost])} ${state.cost === "kmac" ? "kMAC/pixel" : "s per frame"}`,
    ],
    hoverinfo: "text",
    marker: { ...markerStyle(look), size: 1.4 * look.size },
    legendrank: rank,
  };
}
