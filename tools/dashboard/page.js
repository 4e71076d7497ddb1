
const data = JSON.parse(document.getElementById("data").textContent);
const config = { responsive: true, displayModeBar: false };
const at = (id) => document.getElementById(id);

function made(name, text = "", properties = {}) {
  const element = document.createElement(name);
  element.textContent = text;
  return Object.assign(element, properties);
}

function fill(select, labels) {
  select.replaceChildren(...labels.map((label, index) => new Option(label, index)));
}

function shown() {
  return data.histories[at("history").value];
}

function shownCommit() {
  // The list starts with the newest commit.
  return shown().commits.at(-1 - at("commit").value);
}

// Charts

function draw(plot, traces, layout) {
  const annotations = namesOf(traces, layout, layout.height);
  const figure = themed({ traces, layout: { ...layout, annotations } });
  Plotly.react(plot, figure.traces, figure.layout, config);
}

function drawCharts() {
  const commit = shownCommit();
  for (const chart of document.querySelectorAll("[data-chart]")) {
    const traces = commit.charts[chart.dataset.chart];
    chart.parentElement.hidden = traces.length === 0;
    if (traces.length) draw(chart, traces, data.layouts[chart.dataset.chart]);
  }
  for (const section of document.querySelectorAll("[data-charts]")) {
    section.hidden = !section.querySelector(".panels > :not([hidden])");
  }
}

function drawCourse() {
  const course = shown().courses[at("course").value];
  if (!course) return;
  draw(at("course-chart"), course.traces, course.layout);
  at("course-link").href = at("course-link").href.split("#")[0] + course.link;
}

// Tables

function tableOf({ title, head, rows, names }) {
  const table = made("table");
  if (title) table.createCaption().textContent = title;
  const kind = (column) => ({ className: column < names ? "" : "number" });
  const top = table.createTHead().insertRow();
  top.append(...head.map((text, column) => made("th", text, kind(column))));
  const body = table.createTBody();
  for (const row of rows) {
    body.insertRow().append(...row.map((text, column) => made(column < names ? "th" : "td", text, kind(column))));
  }
  return boxed(table);
}

function mapOf({ head, rows }) {
  const table = made("table", "", { className: "map" });
  table.createTHead().insertRow().append(...head.map((text) => made("th", text)));
  const body = table.createTBody();
  for (const row of rows) {
    body.insertRow().append(made("th", row.head), ...row.cells.map(cellOf));
  }
  return boxed(table);
}

function cellOf(cell) {
  if (!cell) return made("td", "", { className: "empty" });
  const element = made("td", cell.names.join(", "));
  if (cell.colour) element.style.setProperty("--colour", cell.colour);
  if (cell.gain) element.append(made("small", cell.gain));
  return element;
}

// A table that is too wide for the window scrolls by itself.
function boxed(table) {
  const box = made("div");
  box.append(table);
  return box;
}

// What is empty is hidden, with its heading.
function show(section, place, elements) {
  at(section).hidden = elements.length === 0;
  at(place).replaceChildren(...elements);
}

function showCommit() {
  const commit = shownCommit();
  at("verdict").textContent = commit.verdict.join(" ");
  show("fastest", "maps", commit.maps.map(mapOf));
  at("missing").hidden = !commit.missing;
  // Commands stand between backticks.
  at("missing").replaceChildren(...commit.missing.split("`").map((text, k) => made(k % 2 ? "code" : "span", text)));
  if (at("noise")) {
    at("noise").hidden = !commit.noisy;
    at("times").replaceChildren(...commit.times.map(tableOf));
  }
  drawCharts();
  show("exponents", "exponent-tables", commit.exponents.map(tableOf));
  show("others", "other-tables", commit.others.map(tableOf));
  at("older").disabled = Number(at("commit").value) === shown().commits.length - 1;
  at("newer").disabled = Number(at("commit").value) === 0;
  at("link").replaceChildren(...(commit.link ? [made("a", "this commit", { href: commit.link })] : []));
}

function step(by) {
  at("commit").value = Number(at("commit").value) + by;
  showCommit();
}

function showHistory() {
  const { commits, courses, name } = shown();
  fill(at("commit"), commits.map((commit) => commit.label).reverse());
  at("only-history").textContent = data.histories.length === 1 ? name : "";
  const groups = new Map();
  courses.forEach((course, index) => {
    if (!groups.has(course.group)) groups.set(course.group, made("optgroup", "", { label: course.group }));
    groups.get(course.group).append(new Option(course.title, index));
  });
  at("course").replaceChildren(...groups.values());
  at("over-the-history").hidden = courses.length === 0;
  at("one-commit").hidden = commits.length > 1;
  at("steps").hidden = commits.length === 1;
  showCommit();
  drawCourse();
}

fill(at("history"), data.histories.map((history) => history.name));
at("history-label").hidden = data.histories.length === 1;
at("from-a-file").hidden = location.protocol !== "file:";
at("history").addEventListener("change", showHistory);
at("commit").addEventListener("change", showCommit);
at("course").addEventListener("change", drawCourse);
at("older").addEventListener("click", () => step(1));
at("newer").addEventListener("click", () => step(-1));
darkScreen.addEventListener("change", () => { drawCharts(); drawCourse(); });
showHistory();
