// Starts the page: who are we, which address, then one screen under the banner.
import { html, render, useEffect, useRef } from "./html.js";
import { lang, markLang, t } from "./i18n.js";
import { AlarmPage } from "./alarm.js";
import { AlarmsPage } from "./alarms.js";
import { AuditPage } from "./audit.js";
import { RulesPage } from "./rules.js";
import { Banner } from "./banner.js";
import { ChangesPage } from "./changes.js";
import { ConsolesPage } from "./consoles.js";
import { CountyPage } from "./county.js";
import { startHub, stopHub } from "./hub.js";
import { bindKeys, startKeys } from "./keys.js";
import { Said, Skip, toNewPage } from "./focus.js";
import { AccountPage } from "./account.js";
import { Login, nextPath, signInFailure, takeFromAddress } from "./login.js";
import { Welcome } from "./welcome.js";
import { PlacesPage } from "./places.js";
import { DifferencesPage } from "./differences.js";
import { DrainagePage } from "./drainage.js";
import { DrillPage } from "./drill.js";
import { drillOwed, drillSeq } from "./drillbook.js";
import { DrillFrame } from "./drillframe.js";
import { DrillsPage } from "./drills.js";
import { HandoverPage } from "./handover.js";
import { MinePage } from "./mine.js";
import { Overview } from "./overview.js";
import { ForecastsPage } from "./forecasts.js";
import { PlansPage } from "./plans.js";
import { PointPage } from "./point.js";
import { RealAlarm } from "./realalarm.js";
import { get, signIn, whoAmI } from "./requests.js";
import { go, route, startRouter } from "./router.js";
import { ShiftsPage } from "./shifts.js";
import { StatisticsPage } from "./statistics.js";
import { silence, startSound, tickEnded, tickSound } from "./sound.js";
import { applyLook, areas, bookSeq, ended, me, owedAlarms, ownRoom, second, version } from "./state.js";
import { UsersPage } from "./users.js";
import { Failure } from "./widgets.js";
import { Help, toggleHelp } from "./help.js";

const BURST_MS = 150;

let startFailure = null;
let tokenFailure = "";
let link = null;

function Screen() {
  const { name, id } = route.value;
  if (name === "overview") return html`<${Overview} key="all" area=${null} />`;
  if (name === "area") return html`<${Overview} key=${id} area=${id} />`;
  if (name === "county") return html`<${CountyPage} id=${id} />`;
  if (name === "mine") return html`<${MinePage} key=${id} code=${id} />`;
  if (name === "point") return html`<${PointPage} key=${id} id=${id} />`;
  if (name === "alarm") return html`<${AlarmPage} key=${id} id=${id} />`;
  if (name === "alarms") return html`<${AlarmsPage} />`;
  if (name === "shifts") return html`<${ShiftsPage} />`;
  if (name === "consoles") return html`<${ConsolesPage} />`;
  if (name === "handover") return html`<${HandoverPage} key=${id} id=${id} />`;
  if (name === "plans") return html`<${PlansPage} />`;
  if (name === "places") return html`<${PlacesPage} />`;
  if (name === "differences") return html`<${DifferencesPage} />`;
  if (name === "drainage") return html`<${DrainagePage} />`;
  if (name === "forecasts") return html`<${ForecastsPage} />`;
  if (name === "statistics") return html`<${StatisticsPage} />`;
  if (name === "changes") return html`<${ChangesPage} />`;
  if (name === "users") return html`<${UsersPage} />`;
  if (name === "audit") return html`<${AuditPage} />`;
  if (name === "rules") return html`<${RulesPage} />`;
  if (name === "drills") return html`<${DrillsPage} />`;
  if (name === "drill") return html`<${DrillPage} key=${id} id=${id} />`;
  if (name === "account") return html`<${AccountPage} />`;
  return html`<main><p class="failure">${t("error.no_page")} <a href="/">${t("nav.overview")}</a></p></main>`;
}

function App() {
  lang.value;
  const known = me.value;
  const here = route.value;
  useEffect(() => {
    if (known && here.name === "login") go(nextPath(), true);
    else if (known && here.name === "overview" && ownRoom.value) go(ownRoom.value, true);
    if (known === null && here.name !== "login" && here.name !== "welcome") {
      go(`/login?next=${encodeURIComponent(location.pathname + location.search)}`, true);
    }
  }, [known, here.name]);
  useEffect(() => {
    document.title = `${t("brand")} · ${t(`title.${here.name}`)}`;
  }, [here.name, lang.value]);
  const opened = useRef(null);
  useEffect(() => {
    // The first page is the browser's own: its keyboard begins at the top.
    if (opened.current !== null) toNewPage();
    opened.current = `${here.name}/${here.id}`;
  }, [here.name, here.id]);
  useEffect(() => {
    if (!known) {
      stopHub();
      return;
    }
    startHub();
    get("/areas").then((page) => { areas.value = page.items; }, () => {});
    get("/version").then((data) => { version.value = data; }, () => {});
  }, [Boolean(known)]);
  if (startFailure) return html`<main><${Failure} error=${startFailure} retry=${() => location.reload()} /></main>`;
  if (known === undefined) return html`<main class="login"><p class="muted">${t("loading")}</p></main>`;
  if (here.name === "welcome") return html`<${Welcome} link=${link} />`;
  if (known === null || here.name === "login") return html`<${Login} failure=${tokenFailure} />`;
  return html`<${Skip} /><${Banner} /><${DrillFrame} /><${Screen} /><${RealAlarm} /><${Help} /><${Said} />`;
}

// Symbols that flash do so in phase, whenever each was put on the screen.
function alignFlashing(event) {
  if (!event.target.getAnimations) return;
  for (const animation of event.target.getAnimations()) animation.startTime = 0;
}

async function start() {
  applyLook();
  markLang();
  startRouter();
  startKeys();
  startSound();
  bindKeys({ s: silence, "?": toggleHelp });
  document.addEventListener("animationstart", alignFlashing);
  // A link that is pasted over this page's address changes only what stands after #.
  addEventListener("hashchange", () => { if (/[#&](token|link)=/.test(location.hash)) location.reload(); });
  const sounder = () => (ended.value ? tickEnded() : tickSound(owedAlarms(), drillOwed()));
  setInterval(() => { second.value += 1; }, 1000);
  second.subscribe(sounder);
  // A burst of alarms is one sound of its worst level, not tones on top of each other.
  let pending = 0;
  const soon = () => {
    clearTimeout(pending);
    pending = setTimeout(sounder, BURST_MS);
  };
  bookSeq.subscribe(soon);
  drillSeq.subscribe(soon);
  const token = takeFromAddress("token");
  link = takeFromAddress("link");
  try {
    if (token) {
      await signIn(token).catch(async (error) => {
        tokenFailure = signInFailure(error);
        await whoAmI();
      });
    } else {
      await whoAmI();
    }
  } catch (error) {
    startFailure = error;
  }
  render(html`<${App} />`, document.getElementById("app"));
}

start();
