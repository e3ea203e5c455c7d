// What all plots share: their layout, their legend, and what a click on a point does.

const FONT = { family: "system-ui, 'Segoe UI', Arial, sans-serif", size: 13, color: "#1a1a1a" };
const GRID = {
  gridcolor: "#dddddd",
  linecolor: "#1a1a1a",
  showline: true,
  zeroline: false,
  ticks: "outside",
};
const isNarrow = () => window.innerWidth <= 720;

function layoutOf(title, x, y) {
  const narrow = isNarrow();
  const marks = data.head.marks.length ? ` · <b>${plain(data.head.marks.join(" · "))}</b>` : "";
  return {
    title: {
      text: `${narrow ? wrapped(title, 34) : plain(title)}<br><span style="font-size:11px">${plain(data.head.heading)}${marks}</span>`,
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
    yaxis: { ...GRID, automargin: true, ...y },
    hovermode: "closest",
    hoverlabel: {
      bgcolor: "#ffffff",
      bordercolor: "#1a1a1a",
      font: { ...FONT, size: 12 },
      align: "left",
    },
    showlegend: true,
    legend: narrow
      ? { x: 0, y: 0, yref: "container", yanchor: "bottom", font: { size: 11 }, tracegroupgap: 0 }
      : { x: 1.02, y: 1, font: { size: 12 }, tracegroupgap: 0 },
  };
}

// Named one by one: newer versions of Plotly add a button that sends a plot's data to its makers.
const BUTTONS = [
  ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "autoScale2d", "resetScale2d"],
];

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
  const lines = traces
    .filter((trace) => trace.showlegend !== false)
    .map((trace) => trace.name.split("<br>").length);
  const legend = lines.reduce((sum, count) => sum + 6 + 14 * count, 20);
  node.style.height = `${440 + legend}px`;
  layout.margin.b = 56 + legend;
}
