// Each chart has its figures in the page; they are chosen by their label and by what they run along.
const figures = JSON.parse(document.getElementById("charts").textContent);
const names = [...document.querySelectorAll(".names input")];
const charts = [];

// The range of an axis: what is shown, and a little more.
function range(values, scale) {
  if (!values.length) return [0, 1];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (scale === "linear") return [0, 1.05 * high];
  const [from, to] = [Math.log10(low), Math.log10(high)];
  const beyond = 0.04 * Math.max(to - from, 0.3);
  return [from - beyond, to + beyond];
}

// Logarithmic ticks stand at chosen places; a linear axis needs others.
function scaled(axis, scale, values) {
  const ticks = scale === "linear" ? { tickmode: "auto" } : {};
  return { ...axis, ...ticks, type: scale, range: range(values, scale) };
}

// Return what the chosen figures show: without the names that are hidden, on the same axes.
function prepared(chosen, scale) {
  const hidden = new Set(names.filter((each) => !each.checked).map((each) => each.value));
  const shown = chosen.map(({ figure }) => ({ ...figure, data: figure.data.filter(({ meta }) => !hidden.has(meta.name)) }));
  if (shown[0].layout.xaxis.range) return shown;
  const values = (axis) => shown.flatMap(({ data }) => data.flatMap((trace) => trace[axis]));
  const [x, y] = [values("x"), values("y")];
  return shown.map(({ data, layout }) => ({
    data,
    layout: { ...layout, xaxis: scaled(layout.xaxis, scale, x), yaxis: scaled(layout.yaxis, scale, y) },
  }));
}

function plotted(plot, { data, layout }) {
  const height = layout.height ?? plot.clientHeight;
  const annotations = layout.yaxis.range ? namesOf(data, layout, height) : [];
  const figure = themed({ data, layout: { ...layout, annotations, height, width: plot.clientWidth } });
  // A finger that moves over a chart scrolls the page.
  const dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
  Plotly.react(plot, figure.data, { ...figure.layout, dragmode }, {
    displaylogo: false,
    // By name: among those that are there by default are some that would send the data elsewhere.
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  });
}

function panel() {
  const made = document.createElement("div");
  const plot = Object.assign(document.createElement("div"), { className: "plot" });
  plot.setAttribute("role", "img");
  made.append(document.createElement("h3"), plot);
  return made;
}

function drawn(section) {
  const all = figures[section.dataset.chart];
  const select = section.querySelector("select");
  const words = section.querySelector("h2:has(small)") ?? section.querySelector("h2");
  const scale = () => section.querySelector("input[name=scale]:checked")?.value ?? "log";

  function fill(panels, entries) {
    while (panels.childElementCount > entries.length) panels.lastElementChild.remove();
    while (panels.childElementCount < entries.length) panels.append(panel());
    prepared(entries, scale()).forEach((figure, k) => {
      const [title, plot] = panels.children[k].children;
      title.textContent = entries[k].title;
      // The only one of the first screen is named in the heading.
      title.hidden = "first" in panels.dataset || !entries[k].title;
      plot.setAttribute(
        "aria-label", `${words.firstChild.textContent}, ${entries[k].title || entries[k].label}; the numbers stand in the tables`
      );
      plotted(plot, figure);
    });
  }

  function draw() {
    const chosen = all.filter((each) => each.label === select.value);
    const main = chosen.find((each) => each.main) ?? chosen[0];
    for (const panels of section.querySelectorAll(".panels")) {
      const along = chosen.filter((each) => !panels.dataset.along || each.along === panels.dataset.along);
      panels.hidden = !along.length;
      if (along.length) fill(panels, "first" in panels.dataset ? [main] : along);
    }
    for (const map of section.querySelectorAll("[data-label]")) {
      map.classList.toggle("unchosen", map.dataset.label !== main.setup);
    }
    if (words.querySelector("small")) words.querySelector("small").textContent = ` ${main.title || main.label}`;
  }

  const labels = [...new Set(all.map((each) => each.label))];
  select.replaceChildren(...labels.map((label) => new Option(label, label)));
  select.closest(".choice").classList.toggle("single", labels.length === 1);
  for (const radio of section.querySelectorAll("input[name=scale]")) radio.addEventListener("change", draw);
  select.addEventListener("change", draw);
  draw();
  charts.push(draw);
}

const drawAll = () => charts.forEach((draw) => draw());

// A phone that scrolls changes the height of its window, and not the width.
let [width, waiting] = [innerWidth, 0];
function resized() {
  if (innerWidth === width) return;
  width = innerWidth;
  clearTimeout(waiting);
  waiting = setTimeout(drawAll, 100);
}

// On paper everything is open, and the charts are as wide as the paper.
function print(onPaper) {
  for (const each of document.querySelectorAll("details")) {
    if (onPaper) each.dataset.wasOpen = each.open;
    each.open = onPaper || each.dataset.wasOpen === "true";
  }
  drawAll();
}

// A column is sorted by the numbers behind it, else by its words; what has no number comes last both ways.
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    const number = Number(cell.dataset.value ?? NaN);
    return Number.isNaN(number) ? cell.textContent.trim() : number;
  };
  function compare(one, other) {
    if (typeof one === "number" && typeof other === "number") return one - other;
    return one.localeCompare(other);
  }
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const each of heads) each.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows].map((row) => [key(row, column), row]);
      const numeric = rows.some(([value]) => typeof value === "number");
      const lacks = (value) => numeric && typeof value !== "number";
      rows.sort(([one], [other]) => lacks(one) - lacks(other) || (lacks(one) ? 0 : direction * compare(one, other)));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}

function filtered(input) {
  const rows = [...input.closest(".table").querySelector("tbody").rows];
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const cells = [...row.cells].map((cell) => cell.textContent.toLowerCase());
      row.hidden = !words.every((word) => cells.some((cell) => cell.startsWith(word)));
    }
  });
}

function download() {
  const record = document.getElementById("record").textContent;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([record], { type: "application/json" }));
  link.download = "record.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

document.querySelectorAll("[data-chart]").forEach(drawn);
document.querySelectorAll(".sortable").forEach(sortable);
document.querySelectorAll(".filter input").forEach(filtered);
for (const name of names) name.addEventListener("change", drawAll);
document.getElementById("download").addEventListener("click", download);
addEventListener("resize", resized);
darkScreen.addEventListener("change", drawAll);
matchMedia("print").addEventListener("change", ({ matches }) => print(matches));
