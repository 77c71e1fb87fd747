/* Follows a page's updates. Everything here is an extra: without it the page is complete, only not live. */
(() => {
  "use strict";

  const SILENCE = 12_000; // milliseconds without a word from the server after which the page is no longer called live
  const SPEAK_EVERY = 60_000; // screen readers hear a new summary at most this often

  const main = document.querySelector("main[data-stream]");
  if (!main || !window.EventSource) return;
  const bar = main.querySelector(".live");
  const word = bar.querySelector(".live-word");
  const at = bar.querySelector(".live-at");
  const button = bar.querySelector(".live-pause");
  const notice = main.querySelector(".not-live");
  const why = notice.querySelector(".not-live-why");
  const summary = document.getElementById("summary");
  let source = null;
  let watchdog = 0;
  let spoken = Date.now();
  let ended = false;
  let paused = false;

  /* Change what is there into what should be, keeping elements (and so focus, scrolling and open details) in place. */
  function morph(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || keyOf(old) !== keyOf(fresh)) {
      old.replaceWith(fresh);
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    // whether details are open is the reader's business
    for (const { name } of [...old.attributes]) if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    morphChildren(old, fresh);
  }

  function morphChildren(old, fresh) {
    const kept = new Map();
    for (const child of old.childNodes) if (keyOf(child)) kept.set(keyOf(child), child);
    const wanted = new Set([...fresh.childNodes].map(keyOf));
    let place = old.firstChild;
    const drop = () => {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    };
    for (const next of [...fresh.childNodes]) {
      const key = keyOf(next);
      const match = key ? kept.get(key) : place && !keyOf(place) ? place : null;
      if (!match) {
        old.insertBefore(next, place);
        continue;
      }
      // what stands in the way goes, rather than moving the match: an element that is moved loses the focus
      while (place !== match && place && !(keyOf(place) && wanted.has(keyOf(place)))) drop();
      if (match === place) place = place.nextSibling;
      else old.insertBefore(match, place);
      morph(match, next);
    }
    while (place) drop();
  }

  function keyOf(node) {
    return node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") || node.id : "";
  }

  function show({ name, digest, html }) {
    const part = document.getElementById(name);
    if (!part || part.dataset.digest === digest) return;
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    morphChildren(part, fresh.content);
    part.dataset.digest = digest;
  }

  function alive(beat) {
    bar.dataset.live = "on";
    word.textContent = "Live ·";
    at.textContent = beat.at;
    notice.hidden = true;
    button.hidden = false;
    if (Date.now() - spoken > SPEAK_EVERY && summary.textContent !== beat.summary) {
      summary.textContent = beat.summary;
      spoken = Date.now();
    }
    wait();
  }

  function wait() {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => lost("Trying to reach the server again."), SILENCE);
  }

  function lost(reason) {
    bar.dataset.live = "lost";
    word.textContent = "As of";
    why.textContent = `These figures are from ${at.textContent}. ${reason}`;
    notice.hidden = false;
  }

  function stale(since) {
    bar.dataset.live = "off";
    word.textContent = since;
    notice.hidden = true;
  }

  function follow() {
    const have = [...main.querySelectorAll("[data-digest]")].map((part) => part.dataset.digest).join(",");
    const mark = main.dataset.stream.includes("?") ? "&" : "?";
    source = new EventSource(`${main.dataset.stream}${mark}have=${have}`);
    source.addEventListener("section", (event) => show(JSON.parse(event.data)));
    source.addEventListener("beat", (event) => alive(JSON.parse(event.data)));
    source.addEventListener("over", () => {
      ended = true;
      rest();
      lost("You have been signed out.");
    });
    source.addEventListener("error", () => {
      lost("Trying to reach the server again.");
      // the browser gives up for good where the answer was an error: ask again ourselves, but not in a hurry
      if (source && source.readyState === EventSource.CLOSED) {
        rest();
        setTimeout(() => !source && !ended && !paused && !document.hidden && follow(), 10_000);
      }
    });
    wait();
  }

  function rest() {
    clearTimeout(watchdog);
    if (source) source.close();
    source = null;
  }

  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Resume updates" : "Pause updates";
    if (paused) {
      rest();
      stale("Paused at");
    } else {
      follow();
    }
  });

  // A page nobody looks at holds no connection: browsers share six of them among all the tabs of a site.
  document.addEventListener("visibilitychange", () => {
    if (paused || ended) return;
    if (document.hidden) {
      rest();
      stale("As of");
    } else if (!source) follow();
  });
  addEventListener("pagehide", rest);
  addEventListener("pageshow", (event) => event.persisted && !source && !paused && !ended && follow());
  if (document.hidden) stale("As of");
  else follow();
})();
