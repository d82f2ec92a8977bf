// Sign-in with an access token that the program issued.
import { html, useState } from "./html.js";
import { lang, setLang, t } from "./i18n.js";
import { signIn } from "./requests.js";
import { ended } from "./state.js";
import { route } from "./router.js";

/** Takes `#token=…` out of the address before anything else can record it. */
export function takeTokenFromAddress() {
  const match = /(?:^#|&)token=([^&]+)/.exec(location.hash);
  if (!match) return null;
  history.replaceState(null, "", location.pathname + location.search);
  try {
    return decodeURIComponent(match[1]);
  } catch (_) {
    return match[1];
  }
}

/** Where to go after signing in: only ever a path of this site. */
export function nextPath() {
  const next = route.peek().query.next || "/";
  return /^\/(?![/\\])/.test(next) ? next : "/";
}

export function signInFailure(error) {
  if (error.status === 401 || error.status === 422) return t("login.refused");
  if (error.status === 0) return t("error.unreachable");
  return `${t("error.other", { status: error.status })} ${error.message}`;
}

export function Login({ failure }) {
  const [said, setSaid] = useState(failure || "");
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const token = event.target.elements.token.value.trim();
    if (!token || busy) return;
    setBusy(true);
    try {
      // Being signed in leads on from here by itself.
      await signIn(token);
    } catch (error) {
      setSaid(signInFailure(error));
      setBusy(false);
    }
  };
  return html`${ended.value ? html`<div class="wide dead-bar" role="alert">${t("login.ended")}</div>` : null}
  <main class="login"><form onSubmit=${submit}>
    <h1>${t("brand")}</h1>
    <p class="muted">${t("login.lead")}</p>
    <label>${t("login.token")}
      <input name="token" type="password" autocomplete="off" spellcheck=${false} autofocus /></label>
    ${said ? html`<p class="failure" role="alert">${said}</p>` : null}
    <div class="row"><button class="main" disabled=${busy}>${t("login.in")}</button>
      <button type="button" class="lang" onClick=${() => setLang(lang.value === "zh" ? "en" : "zh")}>${t("choice.language")}</button></div>
  </form></main>`;
}
