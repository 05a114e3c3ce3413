// Runs before the first paint, so that no page flashes in the wrong colours.
(() => {
  const KEY = "berth-theme";
  const root = document.documentElement;
  const systemDark = matchMedia("(prefers-color-scheme: dark)");

  function apply() {
    root.dataset.bsTheme = localStorage.getItem(KEY) ?? (systemDark.matches ? "dark" : "light");
  }

  apply();
  systemDark.addEventListener("change", apply);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    localStorage.setItem(KEY, root.dataset.bsTheme === "dark" ? "light" : "dark");
    apply();
  });
})();
