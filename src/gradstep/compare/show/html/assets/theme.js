"use strict";

// What the charts of our pages have in common: the colours of the style sheet, and names at the ends of lines.

// One question for both: a page on paper is light, whatever the screen is.
const darkScreen = matchMedia("screen and (prefers-color-scheme: dark)");

// Put the style sheet's colours into a figure in place of its var(--name).
function themed(figure) {
  const style = getComputedStyle(document.documentElement);
  const colour = (value) => {
    const name = typeof value === "string" && value.match(/^var\((--[\w-]+)\)$/)?.[1];
    return (name && style.getPropertyValue(name).trim()) || value;
  };
  return JSON.parse(JSON.stringify(figure), (key, value) => {
    if (!key.toLowerCase().endsWith("color")) return value;
    return Array.isArray(value) ? value.map(colour) : colour(value);
  });
}

// Move heights as little as possible so that they are a gap apart and within bounds, by pooling those too close.
function apart(wanted, gap, low, high) {
  const order = wanted.map((_, k) => k).sort((one, other) => wanted[one] - wanted[other]);
  const pools = [];
  order.forEach((k, rank) => {
    pools.push({ mean: wanted[k] - rank * gap, count: 1 });
    while (pools.length > 1 && pools.at(-2).mean >= pools.at(-1).mean) {
      const last = pools.pop(), before = pools.pop(), count = last.count + before.count;
      pools.push({ mean: (last.mean * last.count + before.mean * before.count) / count, count });
    }
  });
  const most = Math.max(low, high - (wanted.length - 1) * gap);
  const places = pools.flatMap(({ mean, count }) => Array(count).fill(Math.min(Math.max(mean, low), most)));
  const moved = [];
  order.forEach((k, rank) => { moved[k] = places[rank] + rank * gap; });
  return moved;
}

// Return annotations: the name of each line beside its end, moved apart.
// `height` is that of the figure in pixels, and the ranges of its axes are those of its layout.
function namesOf(traces, layout, height) {
  const along = ({ type }, value) => (type === "log" ? Math.log10(value) : value);
  const share = (value) => {
    const [low, high] = layout.yaxis.range;
    return (along(layout.yaxis, value) - low) / (high - low);
  };
  const plotted = height - layout.margin.t - layout.margin.b;
  const named = traces.filter((each) => each.meta?.ink).map(({ x, y, name, meta }) => ({
    x: along(layout.xaxis, x.at(-1)), y: share(y.at(-1)), text: meta.short ?? name, ink: meta.ink,
  }));
  const right = Math.max(...named.map(({ x }) => x));
  const beside = named.filter(({ x }) => x === right);
  const heights = apart(beside.map(({ y }) => y), 15 / plotted, 8 / plotted, 1);
  const words = ({ x, text, ink }) => ({
    x, text, xref: "x", yref: "paper", showarrow: false, font: { color: ink, size: 12 }, captureevents: false,
  });
  return [
    ...beside.map((each, k) => ({ ...words(each), y: heights[k], xanchor: "left", xshift: 7, yanchor: "middle" })),
    // A line that ends early has its name above its end, away from the others.
    ...named.filter(({ x }) => x < right).map((each) => ({ ...words(each), y: each.y, yanchor: "bottom", yshift: 6 })),
  ];
}
