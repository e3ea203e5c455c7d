// The side panel: everything about one point or one comparison, with its records and commands.

let opener = null;

// Words of a command line as a shell reads them.
const quoted = (word) =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
const command = (verb, ...words) =>
  ["invrbench", verb, ...words.map(quoted), "--ctc", quoted(data.head.conditions)].join(" ");

const addressOf = (index) => {
  const curve = curveOf[index];
  return [
    data.sequences[curve.sequence]?.id ?? "",
    curve.views,
    curve.id,
    data.points[index].id,
    data.points[index].seed,
  ]
    .map(encodeURIComponent)
    .join("/");
};

function indexOfAddress(address) {
  if (!address) return null;
  const index = data.points.findIndex((_, at) => addressOf(at) === address);
  return index < 0 ? null : index;
}

function openPoint(index) {
  opener = document.activeElement;
  comparison = null;
  if (state.point === addressOf(index)) drawPanel();
  else update({ point: addressOf(index) });
}

let comparison = null;

function openComparison(row) {
  opener = document.activeElement;
  comparison = row;
  drawPanel();
}

function closePanel() {
  comparison = null;
  byId("panel").hidden = true;
  update({ point: "" });
  if (opener?.isConnected) opener.focus({ preventScroll: true });
}

function drawPanel() {
  const index = indexOfAddress(state.point);
  const panel = byId("panel");
  const content = comparison
    ? comparisonPanel(comparison)
    : index === null
      ? null
      : pointPanel(index);
  panel.hidden = content === null;
  if (content === null) return;
  panel.replaceChildren(
    make("button", { type: "button", class: "close", onclick: closePanel }, "Close"),
    ...content.flat().filter((each) => each !== null),
  );
  panel.scrollTop = 0;
  panel.querySelector(".close").focus({ preventScroll: true });
}

const rowOf = (head, ...cells) => make("tr", {}, make("td", {}, head), make("td", {}, cells));

function pointPanel(index) {
  const [point, curve] = [data.points[index], curveOf[index]];
  const sequence = data.sequences[curve.sequence]?.id ?? "";
  const rows = data.columns.flatMap((column) => {
    const value = shown(point, column.id);
    return value === null ? [] : [rowOf(column.label, value)];
  });
  const absent = new Map();
  for (const [at, why] of Object.entries(point.why ?? {})) {
    absent.set(told(why), [...(absent.get(told(why)) ?? []), data.columns[Number(at)].label]);
  }
  const reasons = [...absent].map(([why, labels]) =>
    make("p", { class: "note" }, `${labels.join(", ")}: `, make("span", { class: "reason" }, why)),
  );
  const facts = Object.entries(point.facts ?? {}).map(([name, number]) =>
    rowOf(name.replaceAll("_", " "), told(number)),
  );
  return [
    make("h2", { id: "panel-head" }, curve.name),
    make(
      "p",
      {},
      `${`${sequence} ${curve.views}`.trim()}, rate point ${point.id}${point.seed === "0" ? "" : `, seed ${point.seed}`}`,
    ),
    make(
      "p",
      {},
      make("b", {}, point.status),
      point.reason === undefined ? "" : `: ${told(point.reason)}`,
    ),
    point.accepted === undefined
      ? null
      : make("p", { class: "note" }, `Accepted without a rerun: ${told(point.accepted)}`),
    rows.length ? make("table", {}, make("tbody", {}, rows)) : null,
    reasons,
    failureNotes(point),
    recordLinks(point),
    commands(point),
    facts.length ? make("h3", {}, "From the records") : null,
    facts.length ? make("table", {}, make("tbody", {}, facts)) : null,
  ];
}

// The folder of the fit that a point was encoded from; the budget is part of its name.
function fitFolder(point, folder) {
  if (!point.fit) return null;
  const parts = folder.path.split("/");
  return [
    ...parts.slice(0, 4),
    "fits",
    `${point.fit}.${data.head.budget}`,
    parts[parts.length - 1],
  ].join("/");
}

function recordLinks(point) {
  const folder = folderOf(point);
  if (!folder) return make("p", { class: "note" }, "A published point: it has no records.");
  const fit = fitFolder(point, folder);
  const files = ["encode.json", "encode.log", "decode.json", "decode.log", "frames.tsv"].map(
    (name) => `${folder.path}/${name}`,
  );
  if (fit) files.unshift(`${fit}/fit.json`, `${fit}/fit.log`);
  files.push(...data.families.map((family) => `${folder.path}/metrics/${family}.json`));
  const link = (path) => {
    const target = [data.root, ...path.split("/").map(encodeURIComponent)].join("/");
    return make("li", {}, data.root ? make("a", { href: target }, path) : path);
  };
  return [
    make("h3", {}, "Records and logs"),
    make("ul", { class: "points" }, files.map(link)),
    make(
      "p",
      { class: "note" },
      "They lie in the results this report was made from; a page that was sent has none beside it.",
    ),
  ];
}

function commands(point) {
  const folder = folderOf(point);
  if (!folder) return null;
  const fit = fitFolder(point, folder);
  const lines = fit ? [command("fit", fit)] : [];
  lines.push(command("encode", folder.path), command("decode", folder.path));
  lines.push(...data.families.map((family) => command("measure-point", folder.path, family)));
  return [
    make("h3", {}, "Commands that repeat it"),
    make("pre", { id: "commands" }, lines.join("\n")),
  ];
}

function comparisonPanel(row) {
  const of = (id) =>
    data.curves.filter(
      (curve) =>
        curve.sequence === sequenceIndex(bdText(row, "place")) &&
        curve.views === bdText(row, "views") &&
        matches(curve, id),
    );
  const members = [of(bdText(row, "testId")), of(bdText(row, "anchorId"))].flat();
  const metric = metricOf(bdText(row, "metric"));
  return [
    make("h2", { id: "panel-head" }, `BD-rate ${bdText(row, "shown")}`),
    make("p", {}, `${metric.label}, ${`${bdText(row, "place")} ${bdText(row, "views")}`.trim()}`),
    make("p", {}, `${bdText(row, "test")} against ${bdText(row, "anchor") || "no anchor"}`),
    bdText(row, "why") ? make("p", { class: "reason" }, bdText(row, "why")) : null,
    row[BD.scope] ? membersOfMean(row) : null,
    members.flatMap((curve) => [make("h3", {}, curve.name), comparedPoints(curve, metric)]),
    members.length
      ? make(
          "button",
          { type: "button", onclick: () => showCurves(row) },
          "Show these curves in the plot",
        )
      : null,
  ];
}

// The comparisons that a mean is over, or would be if they had numbers.
function membersOfMean(mean) {
  const [anchor, configuration] = bdText(mean, "anchorId").split("/");
  const classOf = new Map(data.sequences.map((each) => [each.id, `Class ${each.class}`]));
  const same = (row, ...names) => names.every((name) => row[BD[name]] === mean[BD[name]]);
  const belongs = (row) => {
    const [codec, own] = bdText(row, "anchorId").split("/");
    return codec === anchor && (configuration === "strongest" || own === configuration);
  };
  const rows = data.bd.filter(
    (row) =>
      row[BD.scope] === 0 &&
      same(row, "testId", "metric", "views") &&
      belongs(row) &&
      (mean[BD.scope] === 2 || classOf.get(bdText(row, "place")) === bdText(mean, "place")),
  );
  const lines = rows.map((row) => {
    const onclick = () => openComparison(row);
    const button = make("button", { type: "button", class: "link", onclick }, bdText(row, "shown"));
    return rowOf(bdText(row, "place"), button, ` against ${bdText(row, "anchor")}`);
  });
  const note =
    configuration === "strongest"
      ? "A mean over these sequences, of each the configuration that is hardest to beat:"
      : "A mean over these sequences:";
  return [
    make("p", { class: "note" }, note),
    make("table", { id: "members" }, make("tbody", {}, lines)),
  ];
}

// Ids: codec/configuration/curve/seed of a tested curve, codec/configuration of an anchor.
const matches = (curve, id) =>
  curve.id === id || [curve.codec, curve.configuration].join("/") === id;

const seeded = (point) => (point.seed === "0" ? point.id : `${point.id}, seed ${point.seed}`);

function comparedPoints(curve, metric) {
  const rate = data.sequences[curve.sequence].rate;
  const rows = range(curve.points).map((index) => {
    const point = data.points[index];
    return make(
      "tr",
      {},
      make("td", {}, pointButton(index, seeded(point))),
      make("td", { class: "number" }, rateText(point, rate)),
      make("td", {}, shown(point, metric.id) ?? reasonOf(point, metric.id)),
    );
  });
  return make("table", {}, make("tbody", {}, rows));
}

function showCurves(row) {
  closePanel();
  update({
    seq: bdText(row, "place"),
    views: bdText(row, "views"),
    metric: bdText(row, "metric"),
    conf: "",
  });
  byId("rd").scrollIntoView();
}
