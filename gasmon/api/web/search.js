// Finding any mine or point: words, and the places that have them.
import { html, useEffect, useRef, useState } from "./html.js";
import { t } from "./i18n.js";
import { bindKeys } from "./keys.js";
import { areaName } from "./overview.js";
import { get } from "./requests.js";
import { go } from "./router.js";

const TYPING_MS = 250;
const LIMIT = 12;

/** Mines, then points, as `{href, name, where}`. Pure. */
export function foundRows({ mines, points }, nameOf) {
  return [
    ...mines.map((mine) => ({ href: `/mine/${mine.code}`, name: mine.name || mine.code, where: `${nameOf(mine.area)} ${mine.code}` })),
    ...points.map((point) => ({ href: `/point/${point.point_id}`, name: `${point.no} ${point.place}`, where: `${nameOf(point.area)} ${point.mine_name || point.mine}` })),
  ];
}

export function Search() {
  const [typed, setTyped] = useState({ text: "", composing: false });
  const [found, setFound] = useState(null);
  const [at, setAt] = useState(0);
  const field = useRef(null);
  useEffect(() => bindKeys({ "/": () => field.current.focus() }), []);
  useEffect(() => {
    const q = typed.text.trim();
    if (!q) setFound(null);
    // Half a Chinese word is nothing to look for.
    if (!q || typed.composing) return undefined;
    const cancel = new AbortController();
    const timer = setTimeout(() => get("/search", { q, limit: LIMIT }, cancel.signal)
      .then((page) => { setFound(page); setAt(0); }, () => {}), TYPING_MS);
    return () => { clearTimeout(timer); cancel.abort(); };
  }, [typed]);
  const rows = found ? foundRows(found, areaName) : [];
  const onKeyDown = (event) => {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setAt(Math.max(0, Math.min(rows.length - 1, at + step)));
    } else if (event.key === "Enter" && rows[at]) go(rows[at].href);
    else if (event.key === "Escape") {
      setTyped({ text: "", composing: false });
      field.current.blur();
    }
  };
  const onInput = (event) => setTyped({ text: event.target.value, composing: event.isComposing });
  return html`<div class="find"><input type="search" ref=${field} value=${typed.text} placeholder=${t("city.search")} aria-label=${t("city.search")}
      onInput=${onInput} onCompositionEnd=${(event) => setTyped({ text: event.target.value, composing: false })} onKeyDown=${onKeyDown} />
    ${found ? html`<div class="found">${rows.map((row, index) => html`<a key=${row.href} href=${row.href} class=${index === at ? "chosen" : ""}>
      <span>${row.name}</span><span class="muted">${row.where}</span></a>`)}
      ${rows.length ? null : html`<p class="empty">${t("city.nothing_found")}</p>`}
      ${found.more ? html`<p class="muted">${t("city.more_found")}</p>` : null}</div>` : null}</div>`;
}
