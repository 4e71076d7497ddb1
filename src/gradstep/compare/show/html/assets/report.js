"use strict";

// Each chart has its figures in the page; a figure is chosen by what it runs along, and by its label.
const figures = JSON.parse(document.getElementById("charts").textContent);

// The ticks of the figures are powers of ten; a linear axis needs others.
function scaled(axis, scale) {
  if (scale === "log") return { ...axis, type: "log", dtick: 1 };
  return { ...axis, type: "linear", tickmode: "auto", rangemode: "tozero" };
}

function drawn(section) {
  const all = figures[section.dataset.chart];
  const select = section.querySelector("select");
  const plot = section.querySelector(".plot");
  const chosen = (name) => section.querySelector(`input[name=${name}]:checked`)?.value;

  function offer() {
    const along = chosen("along");
    const offered = all.filter((each) => each.along === (along ?? null));
    select.replaceChildren(...offered.map((each) => new Option(each.label, all.indexOf(each))));
    select.closest(".choice").classList.toggle("single", offered.length === 1);
    draw();
  }

  function draw() {
    const { data, layout } = all[select.value].figure;
    const scale = chosen("scale");
    const axes = scale ? { xaxis: scaled(layout.xaxis, scale), yaxis: scaled(layout.yaxis, scale) } : {};
    Plotly.react(plot, data, { ...layout, ...axes, autosize: true }, {
      responsive: true,
      displaylogo: false,
      // By name: among those that are there by default are some that would send the data elsewhere.
      modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    });
  }

  for (const radio of section.querySelectorAll("input[name=along]")) {
    radio.disabled = !all.some((each) => each.along === radio.value);
    radio.checked = radio.checked && !radio.disabled;
    radio.addEventListener("change", offer);
  }
  const radios = [...section.querySelectorAll("input[name=along]")];
  if (radios.length && !radios.some((radio) => radio.checked)) radios.find((radio) => !radio.disabled).checked = true;
  for (const radio of section.querySelectorAll("input[name=scale]")) radio.addEventListener("change", draw);
  select.addEventListener("change", draw);
  offer();
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
document.getElementById("download").addEventListener("click", download);
