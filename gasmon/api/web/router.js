// Addresses of the page: every screen has one, and the back button works.
import { signal } from "./html.js";

const PATHS = [
  [/^\/$/, "overview"],
  [/^\/area\/([^/]+)$/, "area"],
  [/^\/county(?:\/([^/]+))?$/, "county"],
  [/^\/mine\/([^/]+)$/, "mine"],
  [/^\/point\/([^/]+)$/, "point"],
  [/^\/alarms$/, "alarms"],
  [/^\/alarm\/([^/]+)$/, "alarm"],
  [/^\/shifts$/, "shifts"],
  [/^\/consoles$/, "consoles"],
  [/^\/handover\/([^/]+)$/, "handover"],
  [/^\/login$/, "login"],
  [/^\/welcome$/, "welcome"],
  [/^\/account$/, "account"],
  [/^\/plans$/, "plans"],
  [/^\/changes$/, "changes"],
  [/^\/forecasts$/, "forecasts"],
  [/^\/drainage$/, "drainage"],
  [/^\/differences$/, "differences"],
  [/^\/places$/, "places"],
  [/^\/statistics$/, "statistics"],
  [/^\/users$/, "users"],
  [/^\/audit$/, "audit"],
  [/^\/rules$/, "rules"],
  [/^\/drills$/, "drills"],
  [/^\/drill\/([^/]+)$/, "drill"],
];

function read() {
  for (const [pattern, name] of PATHS) {
    const match = pattern.exec(location.pathname);
    if (match) return { name, id: match[1] ? decode(match[1]) : null, query: query() };
  }
  return { name: "missing", id: null, query: query() };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch (_) {
    return part;
  }
}

function query() {
  return Object.fromEntries(new URLSearchParams(location.search));
}

export const route = signal(read());

/** Goes to `path`; `replace` keeps the back button out of it (filters, log-in). */
export function go(path, replace) {
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  route.value = read();
  if (!replace) window.scrollTo(0, 0);
}

/** Changes parts of the query of the address in place; empty values vanish. */
export function setQuery(changes) {
  const next = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") next.delete(name);
    else next.set(name, value);
  }
  const tail = next.toString();
  go(location.pathname + (tail ? `?${tail}` : ""), true);
}

/** Makes ordinary links change the page without loading it anew. */
export function startRouter() {
  window.addEventListener("popstate", () => { route.value = read(); });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const anchor = event.target.closest("a[href]");
    if (!anchor || anchor.origin !== location.origin || anchor.target || anchor.hasAttribute("download")) return;
    event.preventDefault();
    go(anchor.pathname + anchor.search);
  });
}
