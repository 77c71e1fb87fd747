/* Buttons to copy or print what a page shows only once. Without scripts the text itself is there. */
(() => {
  "use strict";

  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) break;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      const items = [...source.querySelectorAll("li")].map((item) => item.textContent);
      const status = button.parentElement.querySelector("[role=status]");
      try {
        await navigator.clipboard.writeText(items.length ? items.join("\n") : source.textContent.replace(/\s/g, ""));
        status.textContent = "Copied.";
      } catch {
        status.textContent = "The browser does not let us copy. Select the text instead.";
      }
    });
  }
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
})();
