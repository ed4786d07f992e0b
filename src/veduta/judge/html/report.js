"use strict";
// Sort a table by a click on a column's head; numbers by their exact value, text as people sort it.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, column) => {
    head.querySelector("button")?.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === (head.classList.contains("right") ? "descending" : "ascending");
      const falling = head.classList.contains("right") ? !down : down;
      const value = (row) => row.cells[column].dataset.sort;
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x !== undefined && y !== undefined) return Number(x) - Number(y);
        if (x !== undefined || y !== undefined) return x === undefined ? -1 : 1;
        return a.cells[column].textContent.localeCompare(b.cells[column].textContent, undefined, { numeric: true });
      });
      if (falling) rows.reverse();
      body.append(...rows);
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    });
  });
}
// A closer look at a picture: everything comes from the page itself and is set as text, never as markup.
const viewer = document.getElementById("viewer");
const buttons = [...document.querySelectorAll("button.open")];
let at = 0;
function look(index) {
  at = (index + buttons.length) % buttons.length;
  const figure = buttons[at].closest("figure");
  const image = buttons[at].querySelector("img");
  const large = viewer.querySelector(".stage img");
  large.src = image.src;
  large.alt = image.alt;
  // Enlarged to a comfortable size, at most four times, so that it stays a picture and not a mosaic.
  const room = Math.min((window.innerWidth * 0.9) / image.naturalWidth, (window.innerHeight * 0.62) / image.naturalHeight, 4);
  large.width = Math.round(image.naturalWidth * room);
  large.height = Math.round(image.naturalHeight * room);
  viewer.querySelector("h2").textContent = figure.querySelector(".name").textContent;
  viewer.querySelector(".lines").replaceChildren(
    ...[...figure.querySelectorAll(".badge, .line")].map((line) => line.cloneNode(true)),
  );
  const facts = figure.querySelector("dl");
  viewer.querySelector("dl").replaceChildren(...(facts ? [...facts.children].map((fact) => fact.cloneNode(true)) : []));
  if (!viewer.open) {
    viewer.showModal();
    viewer.focus();
  }
}
buttons.forEach((button, index) => button.addEventListener("click", () => look(index)));
viewer.querySelector(".back").addEventListener("click", () => look(at - 1));
viewer.querySelector(".on").addEventListener("click", () => look(at + 1));
viewer.querySelector(".close").addEventListener("click", () => viewer.close());
viewer.addEventListener("click", (event) => event.target === viewer && viewer.close());
viewer.addEventListener("close", () => buttons[at].focus());
viewer.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight") look(at + 1);
  if (event.key === "ArrowLeft") look(at - 1);
});
