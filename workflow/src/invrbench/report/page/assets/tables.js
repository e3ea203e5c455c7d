// Tables: those that all forms of the report share, and the comparisons.

function cellOf(cell, column) {
  const align = column[1] === "left" ? "left" : "";
  if (Array.isArray(cell)) return make("td", { class: `number ${align}` }, traced(cell[0], cell[2]));
  if (cell !== null && typeof cell === "object") {
    return make("td", { class: `reason ${align}` }, traced(cell.reason, cell.bd));
  }
  return make("td", { class: align }, cell ?? "");
}

// A text that leads to its comparison, where it shows one.
function traced(text, place) {
  if (place === undefined) return text;
  const onclick = () => openComparison(data.bd[place]);
  return make("button", { type: "button", class: "link", onclick }, text);
}

const keyOf = (cell) =>
  Array.isArray(cell)
    ? cell[1]
    : cell !== null && typeof cell === "object"
      ? cell.reason
      : (cell ?? "");

// Numbers by size and before texts, texts by the alphabet.
function compare(one, other) {
  const numbers = [typeof one === "number", typeof other === "number"];
  if (numbers[0] && numbers[1]) return one - other;
  if (numbers[0] !== numbers[1]) return numbers[0] ? -1 : 1;
  return String(one).localeCompare(String(other), "en", { numeric: true });
}

function sortHead(text, index, sorted, onsort, own) {
  const direction = sorted && sorted.index === index ? sorted.direction : null;
  return make(
    "th",
    {
      scope: "col",
      class: own ? "own" : "",
      "aria-sort": direction === null ? "none" : direction > 0 ? "ascending" : "descending",
    },
    make(
      "button",
      { type: "button", "data-value": `sort-${index}`, onclick: () => onsort(index) },
      text,
    ),
  );
}

// A table whose heads sort it; means stay in bold.
function tableOf(table, keep = () => true) {
  const place = make("div", {});
  const rows = table.rows
    .map((cells, index) => ({ cells, bold: table.bold.includes(index) }))
    .filter(({ cells }) => keep(cells));
  let sorted = null;
  const draw = () => {
    const listed = [...rows];
    if (sorted)
      listed.sort(
        (one, other) =>
          sorted.direction *
          compare(keyOf(one.cells[sorted.index]), keyOf(other.cells[sorted.index])),
      );
    const heads = table.columns.map(([head, , own], index) =>
      sortHead(
        head,
        index,
        sorted,
        (picked) => {
          sorted = { index: picked, direction: sorted?.index === picked ? -sorted.direction : 1 };
          draw();
        },
        own,
      ),
    );
    const body = listed.map(({ cells, bold }) =>
      make(
        "tr",
        { class: bold ? "mean" : "" },
        cells.map((cell, index) => cellOf(cell, table.columns[index])),
      ),
    );
    refill(
      place,
      make(
        "div",
        { class: "scroll" },
        make("table", {}, make("thead", {}, make("tr", {}, heads)), make("tbody", {}, body)),
      ),
    );
  };
  draw();
  return make(
    "div",
    {},
    place,
    table.notes.map((note) => make("p", { class: "note" }, note)),
  );
}

// ---- BD-rates

const BD = {
  scope: 0,
  place: 1,
  views: 2,
  test: 3,
  anchor: 4,
  metric: 5,
  shown: 6,
  value: 7,
  doubtful: 8,
  quality: 9,
  share: 10,
  why: 11,
  testId: 12,
  anchorId: 13,
};
const BD_FIRST = 100;
let bdLimit = BD_FIRST;

const bdText = (row, name) => told(row[BD[name]]);

function bdRows() {
  return data.bd.filter(
    (row) =>
      bdText(row, "metric") === state.bdm &&
      (!state.bds ||
        (state.bds === "means" ? row[BD.scope] > 0 : bdText(row, "place") === state.bds)) &&
      (!state.bdt || bdText(row, "test") === state.bdt) &&
      (!state.bda || bdText(row, "anchor") === state.bda),
  );
}

function bdColumns() {
  const hasViews = data.bd.some((row) => bdText(row, "views"));
  return [
    ["Sequence or mean", "place"],
    ...(hasViews ? [["Views", "views"]] : []),
    ["Tested", "test"],
    ["Anchor", "anchor"],
    ["BD-rate", "value"],
    ["BD-quality", "quality"],
    ["Overlap, or n of N", "share"],
    ["Reason", "why"],
  ];
}

function bdKey(row, name) {
  if (name === "value") return row[BD.value] ?? bdText(row, "shown");
  const text = bdText(row, name);
  const number = Number.parseFloat(text.replace("−", "-"));
  return ["quality", "share"].includes(name) && Number.isFinite(number) ? number : text;
}

function drawComparisons(place) {
  const distinct = (name) => [...new Set(data.bd.map((row) => bdText(row, name)))].filter(Boolean);
  const metrics = data.metrics.filter((metric) => distinct("metric").includes(metric.id));
  if (!data.bd.length) {
    place.replaceChildren(make("p", { class: "note" }, "Nothing is compared in this report."));
    return;
  }
  const rows = bdRows();
  const columns = bdColumns();
  const [name, direction] = state.bdsort.split(":");
  const index = columns.findIndex(([, key]) => key === name);
  const sorted = index < 0 ? null : { index, direction: direction === "down" ? -1 : 1 };
  if (sorted)
    rows.sort((one, other) => sorted.direction * compare(bdKey(one, name), bdKey(other, name)));
  const onsort = (picked) => {
    const down = sorted?.index === picked && sorted.direction > 0;
    update({ bdsort: `${columns[picked][1]}:${down ? "down" : "up"}` });
  };
  const heads = columns.map(([text], at) => sortHead(text, at, sorted, onsort, false));
  const body = rows.slice(0, bdLimit).map((row) => bdRow(row, columns));
  const all = [["", "all"]];
  refill(
    place,
    make(
      "div",
      { class: "bar" },
      choice(
        "Metric",
        "bdm",
        metrics.map((m) => [m.id, m.label]),
      ),
      choice("Rows", "bds", [
        ...all,
        ["means", "means only"],
        ...data.sequences.map((s) => [s.id, s.id]),
      ]),
      choice("Tested", "bdt", [...all, ...distinct("test").map((text) => [text, text])]),
      choice("Anchor", "bda", [...all, ...distinct("anchor").map((text) => [text, text])]),
    ),
    make(
      "div",
      { class: "tall", tabindex: "0", role: "region", "aria-label": "BD-rates" },
      make(
        "table",
        { id: "bd-table" },
        make("thead", {}, make("tr", {}, heads)),
        make("tbody", {}, body),
      ),
    ),
    rows.length > bdLimit
      ? make(
          "button",
          { type: "button", onclick: () => showAll(place) },
          `Show all ${rows.length} rows`,
        )
      : make("p", { class: "note" }, `${rows.length} rows.`),
    data.head.legend.map((line) => make("p", { class: "note" }, line)),
  );
}

function showAll(place) {
  bdLimit = Infinity;
  drawComparisons(place);
}

function bdRow(row, columns) {
  const cells = columns.map(([, name]) => {
    if (name === "value") {
      const classes =
        row[BD.value] === null ? "reason" : row[BD.doubtful] ? "number doubtful" : "number";
      const button = make(
        "button",
        { type: "button", class: "link", onclick: () => openComparison(row) },
        bdText(row, "shown"),
      );
      return make("td", { class: classes }, button);
    }
    const text = bdText(row, name);
    return make(
      "td",
      {
        class:
          name === "why" ? "left reason" : ["quality", "share"].includes(name) ? "number" : "left",
      },
      text,
    );
  });
  return make("tr", { class: row[BD.scope] ? "mean" : "" }, cells);
}

// ---- coverage

function drawCoverage(place) {
  const table = data.tables.coverage;
  const [expected, present] = [2, 3];
  const isWhole = (cells) => keyOf(cells[expected]) === keyOf(cells[present]);
  const lacking = table.rows.filter((cells) => !isWhole(cells)).length;
  refill(
    place,
    make("p", {}, `${table.title}.`),
    lacking ? make("div", { class: "bar" }, check("complete curves too", "cov")) : null,
    lacking && state.cov !== "1"
      ? tableOf(table, (cells) => !isWhole(cells))
      : make(
          "details",
          { open: state.cov === "1" },
          make("summary", {}, `All ${table.rows.length} curves`),
          tableOf(table),
        ),
    failures(),
  );
}

function failures() {
  const listed = data.points
    .map((point, index) => [point, index])
    .filter(([point]) => !PRESENT.has(point.status) && point.status !== "skipped");
  if (!listed.length) return make("p", { class: "note" }, "Nothing failed, is missing or stale.");
  const seen = new Set();
  const items = listed
    .filter(([point]) => point.folder < 0 || (!seen.has(point.folder) && seen.add(point.folder)))
    .map(([point, index]) => {
      const curve = curveOf[index];
      const sequence = data.sequences[curve.sequence]?.id ?? "";
      const line = make(
        "p",
        {},
        pointButton(index, `${sequence}: ${pointLabel(curve, point)}`),
        " ",
        make("span", { class: "reason" }, reasonOf(point, state.metric)),
      );
      return make("li", {}, line, failureNotes(point));
    });
  return make(
    "div",
    { id: "failures" },
    make("h3", {}, "Failed, missing and stale points"),
    make("ul", { class: "points" }, items),
  );
}

function failureNotes(point) {
  return (folderOf(point)?.failures ?? []).map((failure) =>
    make(
      "details",
      {},
      make("summary", {}, `${failure.step}: end of the log, and the command to repeat it`),
      make("pre", {}, failure.log || "It printed nothing."),
      make("pre", {}, failure.repeat),
    ),
  );
}
