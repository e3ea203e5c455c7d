// Slices over time: the middle row of a view at every instant.

function drawSlices(place) {
  const now = shownNow();
  const sides = [...new Set([SOURCE, now.left, now.right])];
  const found = sides.filter((side) => pictureText(side, now.view, "slice") !== undefined);
  if (!found.length) {
    refill(
      place,
      make(
        "p",
        { class: "note" },
        `No slice of ${state.seq} is in this page: a still has none, others may have been left out to keep the page small.`,
      ),
    );
    return;
  }
  const row = stored().sizes[String(sequenceIndex(state.seq))]?.row;
  refill(
    place,
    make(
      "p",
      { class: "note" },
      `The middle row${row === undefined ? "" : ` (${row})`}${now.view ? ` of view ${now.view}` : ""} at every instant, the first on top: what stands still gives upright lines, flicker gives stripes. The points are those of the pictures above.`,
    ),
    sides.map((side) => {
      const text = pictureText(side, now.view, "slice");
      if (text === undefined)
        return make("p", { class: "note" }, `${sideName(side)}: ${whyNot(side)}`);
      const image = make("img", {
        alt: `Slice over time of ${sideName(side)}`,
        src: `data:image/webp;base64,${text}`,
      });
      image.addEventListener("load", () => {
        const tall = Math.max(2, Math.min(Math.ceil(110 / image.naturalHeight), 16));
        image.style.height = `${image.naturalHeight * tall}px`;
      });
      return make("figure", {}, image, make("figcaption", {}, sideName(side)));
    }),
  );
}
