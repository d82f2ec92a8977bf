// What of an alarm often is a false one; it changes nothing of the alarm.
import { html, useEffect, useState } from "./html.js";
import { duration } from "./format.js";
import { pick, t, tCode } from "./i18n.js";
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
export function shown(numbers) {
  return Object.entries(numbers).map(([name, value]) => `${tCode("signatures", name)} ${
    value !== null && typeof value === "object"
      ? Object.keys(value).map((no) => `${no} ${figure(name, value[no])}`).join(" · ") : figure(name, value)}`).join(" · ");
}

function figure(name, value) {
  return name.endsWith("_s") ? duration(value * 1000) : value;
}
