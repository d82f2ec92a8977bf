// The mines that take part in a drill, with the values that are played there.
import { html, useEffect, useState } from "./html.js";
import { t } from "./i18n.js";
import { get } from "./requests.js";
import { route, setQuery } from "./router.js";
import { MineLink, Units } from "./mine.js";
import { Failure } from "./widgets.js";

export function DrillMines({ drill }) {
  const { mines } = drill;
  const asked = route.value.query.mine;
  const chosen = mines.find((one) => one.mine === asked) || mines[0];
  if (!chosen) return html`<section class="unit"><h2>${t("drills.mines")}</h2><p class="empty">${t(drill.state === "ended" ? "drills.no_mines_over" : "drills.no_mines")}</p></section>`;
  return html`<section class="of-mine"><h2 class="crumbs">${t("drills.mines")}
      <span class="tabs">${mines.map((one) => html`<button key=${one.mine} data-mine=${one.mine} aria-pressed=${one === chosen}
        onClick=${() => setQuery({ mine: one.mine })}>${one.mine_name || one.mine}</button>`)}</span></h2>
    <${Mine} key=${`${chosen.mine}-${chosen.points}`} drill=${drill} code=${chosen.mine} /></section>`;
}

function Mine({ drill, code }) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  const [link, setLink] = useState({ online: undefined, arrivedMs: NaN });
  const over = drill.state === "ended";
  const load = () => Promise.all([get(`/mines/${code}/units`), get(`/drills/${drill.run}/points`, { mine: code })]).then(
    ([units, points]) => { setFound({ units: units.items, points: points.items }); setError(null); }, setError,
  );
  useEffect(() => { load(); }, []);
  if (!found) return html`<${Failure} error=${error} retry=${load} />`;
  return html`${over ? html`<p class="muted">${t("drills.no_values")}</p>` : html`<p><${MineLink} link=${link} /></p>`}
    <${Units} code=${code} run=${drill.run} mine=${{ units: found.units }} points=${found.points} onLink=${setLink} />`;
}
