// Which colours the page has: those of the system, or light or dark. Runs before the page is drawn, so that it does not flash.
(() => {
  const KEY = "plimsoll.theme";
  const WORDS = { auto: "as the system has them", light: "light", dark: "dark" };
  const read = () => {
    try { return localStorage.getItem(KEY) ?? "auto"; } catch { return "auto"; }
  };
  const apply = (theme) => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new Event("plimsoll:theme"));
  };
  let theme = WORDS[read()] ? read() : "auto";
  apply(theme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(theme));
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const tell = () => {
      button.textContent = theme;
      button.setAttribute("aria-label", `Colours: ${WORDS[theme]}`);
    };
    tell();
    button.addEventListener("click", () => {
      const all = Object.keys(WORDS);
      theme = all[(all.indexOf(theme) + 1) % all.length];
      try { localStorage.setItem(KEY, theme); } catch { /* a browser that keeps nothing */ }
      apply(theme);
      tell();
    });
  });
})();
