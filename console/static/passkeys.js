/* Passkeys. Where a browser has none, or runs no scripts, links and codes do the same. */
(() => {
  "use strict";

  if (!window.PublicKeyCredential || !PublicKeyCredential.parseRequestOptionsFromJSON) return;

  async function post(path, body) {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body || {}),
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(answer.message || "Muster did not answer. Try again.");
    return answer;
  }

  async function ask(part) {
    const options = await post(part.dataset.options);
    try {
      if (part.dataset.passkey === "create") {
        return await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
      }
      return await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
    } catch (error) {
      const known = error.name === "InvalidStateError";
      throw new Error(known ? "This device has a passkey for your account already." : part.dataset.failed);
    }
  }

  function show(codes) {
    const done = document.querySelector("[data-codes]");
    for (const code of codes) done.querySelector("ol").append(Object.assign(document.createElement("li"), { textContent: code }));
    document.querySelector("[data-choices]").hidden = true;
    done.hidden = false;
    const headline = done.querySelector("h1");
    document.title = `${headline.textContent} · Muster`;
    headline.focus();
  }

  for (const part of document.querySelectorAll("[data-passkey]")) {
    const button = part.querySelector("button");
    const problem = part.querySelector("[role=alert]");
    button.addEventListener("click", async () => {
      button.disabled = true;
      problem.hidden = true;
      try {
        const answer = await post(part.dataset.answer, (await ask(part)).toJSON());
        if (answer.codes && answer.codes.length) {
          show(answer.codes);
        } else {
          location.assign(answer.to);
        }
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
      }
      button.disabled = false;
    });
    part.hidden = false;
    part.closest("[data-passkey-card]").hidden = false;
  }
})();
