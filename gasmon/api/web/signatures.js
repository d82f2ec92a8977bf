// What of an alarm often is a false one; it changes nothing of the alarm.
import { html, useEffect, useState } from "./html.js";
import { pick, t } from "./i18n.js";
import { get } from "./requests.js";

export function Signatures({ id }) {
  const [items, setItems] = useState([]);
  useEffect(() => {
    const cancel = new AbortController();
    get(`/alarms/${id}/signatures`, {}, cancel.signal).then((page) => setItems(page.items), () => {});
    return () => cancel.abort();
  }, [id]);
  if (!items.length) return null;
  return html`<section class="signatures"><h2>${t("signatures.title")}</h2><p class="muted">${t("signatures.about")}</p>
    <ul>${items.map((item) => html`<li data-signature=${item.signature}>${pick(item.text.zh, item.text.en)}${" "}
      <span class="muted num">${shown(item.numbers)}</span></li>`)}</ul></section>`;
}

/** Numbers as words and figures; what is nested is by the number of a point. */
function shown(numbers) {
  return Object.entries(numbers).map(([name, value]) => `${name} ${
    value !== null && typeof value === "object" ? `(${shown(value)})` : value}`).join(", ");
}
