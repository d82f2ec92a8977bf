// How much of a mine's data looks made; asked for by a click, for it reads a day of readings.
import { html, useState } from "./html.js";
import { pick, t } from "./i18n.js";
import { clockTime, dayText, toMs } from "./format.js";
import { get } from "./requests.js";
import { Failure } from "./widgets.js";

const HOURS = 24;

export function Suspicion({ code }) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const look = () => {
    setBusy(true);
    get(`/mines/${code}/suspicion`, { hours: HOURS })
      .then((answer) => { setFound(answer); setError(null); }, setError)
      .finally(() => setBusy(false));
  };
  return html`<section class="suspicion"><h2>${t("suspicion.title")}${" "}
      ${found ? html`<b class="num">${found.score}</b>` : null}${" "}
      <button onClick=${look} disabled=${busy}>${t(busy ? "loading" : "suspicion.look")}</button></h2>
    <${Failure} error=${error} retry=${look} />
    ${found ? html`<p class="muted">${t(found.score ? "suspicion.about" : "suspicion.none")}</p>
      <ul>${found.findings.map((finding) => html`<li><${Finding} finding=${finding} /></li>`)}
        ${found.points.map((point) => html`<li><b class="num">${point.score}</b>${" "}
          <a href=${`/point/${point.point_id}`}>${point.place || point.no}</a>${" "}
          ${point.findings.map((finding) => html` · <${Finding} finding=${finding} />`)}</li>`)}</ul>` : null}
  </section>`;
}

function Finding({ finding }) {
  const numbers = Object.entries(finding.numbers).map(([name, value]) => `${name} ${value}`).join("; ");
  return html`<span title=${numbers}>${pick(finding.text.zh, finding.text.en)}${" "}
    <span class="muted num">${when(finding.from)} – ${when(finding.to)}</span></span>`;
}

function when(iso) {
  return `${dayText(toMs(iso)).slice(5)} ${clockTime(toMs(iso))}`;
}
