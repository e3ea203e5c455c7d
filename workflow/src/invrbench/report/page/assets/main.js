// The page as a whole: its head, its sections, and when they are drawn.

function drawHead() {
  byId("title").textContent = data.head.title || data.head.conditions;
  byId("heading").textContent = `${data.head.heading} · newest record ${data.head.newest}`;
  byId("marks").hidden = !data.head.marks.length;
  byId("marks").textContent = data.head.marks.join(" · ");
  byId("findings").hidden = !data.tables.findings;
  byId("nav").replaceChildren(
    ...[...document.querySelectorAll("main section:not([hidden])")].map((each) =>
      make(
        "a",
        { href: `#${each.id}`, onclick: (event) => jump(event, each) },
        each.querySelector("h2").textContent,
      ),
    ),
  );
}

// The address holds the state, so that a link moves the sight and leaves the address alone.
function jump(event, target) {
  event.preventDefault();
  target.scrollIntoView();
  const head = target.querySelector("h2");
  head.tabIndex = -1;
  head.focus({ preventScroll: true });
}

function drawSummary(place) {
  place.replaceChildren(
    tableOf(data.tables.headline),
    ...(data.head.notes.length
      ? [
          make(
            "details",
            { open: data.head.notes.length < 5 },
            make("summary", {}, `Notes (${data.head.notes.length})`),
            make(
              "ul",
              { class: "points" },
              data.head.notes.map((note) => make("li", {}, note)),
            ),
          ),
        ]
      : []),
  );
}

function drawFindings(place) {
  place.replaceChildren(data.tables.findings ? tableOf(data.tables.findings) : "");
}

function drawRun(place) {
  const listed = ["conditions", "sources", "versions"].map((name) => data.tables[name]);
  const metrics = data.metrics.map((metric) =>
    make("li", {}, make("b", {}, metric.axis), `: ${metric.definition}`),
  );
  place.replaceChildren(
    ...listed.map((table) => make("details", {}, make("summary", {}, table.title), tableOf(table))),
    make("details", {}, make("summary", {}, "Metrics"), make("ul", { class: "points" }, metrics)),
  );
}

section("summary", TABLES, [], drawSummary);
section("rd", PLOTS, ["seq", "views", "metric", "conf", "x"], drawRates);
section("bd", TABLES, ["bdm", "bds", "bdt", "bda", "bdsort"], drawComparisons);
section(
  "pictures",
  ALL,
  [
    "seq",
    "views",
    "metric",
    "conf",
    "view",
    "frame",
    "a",
    "b",
    "mode",
    "diff",
    "zoom",
    "at",
    "wipe",
  ],
  drawPictures,
);
section("slices", ALL, ["seq", "views", "conf", "view", "frame", "a", "b"], drawSlices);
section("frames", ALL, ["seq", "views", "conf", "view", "fset", "fm", "a", "b"], drawFrames);
section("cost", PLOTS, ["cost", "costseq", "costm"], drawCosts);
section("findings", TABLES, [], drawFindings);
section("coverage", TABLES, ["cov"], drawCoverage);
section("run", TABLES, [], drawRun);

function see(ids) {
  for (const each of sections) each.seen ||= ids.has(each.id);
  redraw();
}

function start() {
  Object.assign(state, stateOfHash());
  settle();
  drawHead();
  drawScope();
  drawPanel();
  see(new Set(["summary", "rd"]));
  document.addEventListener("plots", () => reach(PLOTS));
  document.addEventListener("DOMContentLoaded", () => reach(ALL));
  const watcher = new IntersectionObserver(
    (entries) =>
      see(new Set(entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target.id))),
    { rootMargin: "300px" },
  );
  document.querySelectorAll("main section").forEach((each) => watcher.observe(each));
  byId("scope").addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", () => update(stateOfHash()));
  window.addEventListener("resize", paint);
  window.addEventListener("beforeprint", () => see(new Set(sections.map((each) => each.id))));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !byId("panel").hidden) closePanel();
  });
}

start();
