// Small behaviours that pages ask for with data attributes. Everything works without them, a little less kindly.

// <button data-confirm="Really?">: asks in the page's one dialog before it submits.
const dialog = document.getElementById("confirm");
let asked = null;

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-confirm]");
  if (!button || button === asked) return;
  event.preventDefault();
  dialog.querySelector("[data-question]").textContent = button.dataset.confirm;
  dialog.querySelector("[value=yes]").textContent = button.textContent.trim();
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue !== "yes") return;
    asked = button;
    button.click();
    asked = null;
  };
  dialog.showModal();
});

// <div data-rows> with rows, a <template> and a button: as many rows as it takes.
document.addEventListener("click", (event) => {
  const add = event.target.closest("[data-add-row]");
  if (add) {
    const rows = add.closest("[data-rows]");
    const template = rows.querySelector("template");
    const row = template.content.firstElementChild.cloneNode(true);
    template.before(row);
    row.querySelector("input").focus();
  }
  const remove = event.target.closest("[data-remove-row]");
  if (remove) {
    const rows = remove.closest("[data-rows]");
    remove.closest("[data-row]").remove();
    rows.querySelector("[data-add-row]").focus();
  }
});

// <select data-submit>: choosing is enough.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// <details data-menu>: closes like a menu.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// <button data-copy="id of an input">: only where the browser lets pages write to the clipboard.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).value);
    button.classList.add("copied");
  });
}
