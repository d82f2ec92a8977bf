// Sign-in: by name and password, or with an access token.
import { html, useEffect, useRef, useState } from "./html.js";
import { lang, setLang, t } from "./i18n.js";
import { signIn, signInByName } from "./requests.js";
import { ended } from "./state.js";
import { refuse } from "./password.js";
import { route } from "./router.js";

/** Takes `#token=…` or `#link=…` out of the address before anything can record it. */
export function takeFromAddress(name) {
  const match = new RegExp(`(?:^#|&)${name}=([^&]+)`).exec(location.hash);
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

/** Why a sign-in failed, in words; `refused` is what a 401 means here. */
export function signInFailure(error, refused) {
  if (error.status === 401 || error.status === 422) return refused || t("login.refused");
  if (error.status === 429) return t("login.wait", { s: error.retryAfterS });
  if (error.status === 0) return t("error.unreachable");
  return `${t("error.other", { status: error.status })} ${error.message}`;
}

export function Login({ failure }) {
  const [said, setSaid] = useState(failure || "");
  const [busy, setBusy] = useState(false);
  const [byToken, setByToken] = useState(Boolean(failure));
  const submit = async (event) => {
    event.preventDefault();
    const { user, password, token } = event.target.elements;
    if (busy) return;
    setBusy(true);
    try {
      // Being signed in leads on from here by itself.
      if (byToken) await signIn(token.value.trim());
      else await signInByName(user.value.trim(), password.value);
    } catch (error) {
      setSaid(signInFailure(error, byToken ? null : t("login.wrong")));
      setBusy(false);
      if (error.status === 401 || error.status === 422) refuse(byToken ? token : password);
    }
  };
  const other = () => { setByToken(!byToken); setSaid(""); };
  const first = useRef(null);
  useEffect(() => { first.current.focus(); }, [byToken]);
  return html`${ended.value ? html`<div class="wide dead-bar" role="alert">${t("login.ended")}</div>` : null}
  <main class="login"><form onSubmit=${submit}>
    <h1>${t("brand")}</h1>
    <p class="muted">${t(byToken ? "login.token_lead" : "login.lead")}</p>
    ${byToken ? html`<label key="token">${t("login.token")}
      <input name="token" ref=${first} type="password" required autocomplete="off" spellcheck=${false} /></label>`
    : html`<label key="user">${t("login.name")}
      <input name="user" ref=${first} required maxlength="100" autocomplete="username" spellcheck=${false} /></label>
      <label key="password">${t("login.password")}
      <input name="password" type="password" required autocomplete="current-password" /></label>`}
    ${said ? html`<p class="failure" role="alert" id="form-said">${said}</p>` : null}
    <div class="row"><button class="main" disabled=${busy}>${t("login.in")}</button>
      <button type="button" class="other" onClick=${other}>${t(byToken ? "login.by_name" : "login.by_token")}</button>
      <button type="button" class="lang" onClick=${() => setLang(lang.value === "zh" ? "en" : "zh")}>${t("choice.language")}</button></div>
  </form></main>`;
}
