/* Passkeys. Where a browser has none, or runs no scripts, links and codes do the same. */
(() => {
  "use strict";

  if (!window.PublicKeyCredential || !PublicKeyCredential.parseRequestOptionsFromJSON) return;

  class Told extends Error {} // in words for the reader

  async function post(path, body) {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body || {}),
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Told(answer.message || "Muster did not answer. Try again.");
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
      throw new Told(known ? "This device has a passkey for your account already." : part.dataset.failed);
    }
  }

  const base64 = (bytes) =>
    btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/[+]/g, "-").replace(/[/]/g, "_").replace(/=+$/, "");

  /* What was signed. Not by toJSON(): password managers answer with objects of their own, on which it fails. */
  function written({ id, rawId, type, response }) {
    const parts = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[name]) parts[name] = base64(response[name]);
    }
    return { id, rawId: base64(rawId), type, response: parts, clientExtensionResults: {} };
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
        const answer = await post(part.dataset.answer, written(await ask(part)));
        if (answer.codes && answer.codes.length) {
          show(answer.codes);
        } else {
          location.assign(answer.to);
        }
      } catch (error) {
        problem.textContent = error instanceof Told ? error.message : part.dataset.failed;
        problem.hidden = false;
      }
      button.disabled = false;
    });
    part.hidden = false;
    part.closest("[data-passkey-card]").hidden = false;
  }
})();
