// A one-time link: its owner sets a password, which logs in.
import { html, useEffect, useState } from "./html.js";
import { lang, setLang, t } from "./i18n.js";
import { moment } from "./format.js";
import { lookAtLink, useLink } from "./requests.js";
import { go } from "./router.js";
import { serverNow } from "./state.js";
import { NewPassword, passwordFault, refuse } from "./password.js";

/** Why a link cannot be used, in words. */
function linkFault(error) {
  if (error.status === 0) return t("error.unreachable");
  if (error.status === 404 || error.status === 422) return t("welcome.unknown");
  if (error.status === 409) return t("welcome.over");
  return `${t("error.other", { status: error.status })} ${error.message}`;
}

export function Welcome({ link }) {
  const [invited, setInvited] = useState(null);
  const [said, setSaid] = useState("");
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (link) lookAtLink(link).then(setInvited, (error) => setSaid(linkFault(error)));
    else setSaid(t("welcome.missing"));
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    const fault = passwordFault(event.target.elements);
    setSaid(fault);
    if (fault || busy) return;
    setBusy(true);
    try {
      await useLink(link, event.target.elements.password.value);
      go("/", true);
    } catch (error) {
      setSaid(error.status === 422 ? t("password.common") : linkFault(error));
      if (error.status === 422) refuse(event.target.elements.password);
      setBusy(false);
    }
  };
  return html`<main class="login"><form onSubmit=${submit}>
    <h1>${t("brand")}</h1>
    ${invited ? html`<p>${t("welcome.lead", { name: invited.name, role: t(`role.${invited.role}`) })}</p>
      <p class="muted">${t("welcome.until", { at: moment(invited.expires_at, serverNow()) })}</p>
      <input type="hidden" autocomplete="username" value=${invited.name} />
      <${NewPassword} focus />` : null}
    ${said ? html`<p class="failure" role="alert" id="form-said">${said}</p>` : null}
    <div class="row">${invited ? html`<button class="main" disabled=${busy}>${t("welcome.set")}</button>`
      : html`<a href="/login">${t("login.in")}</a>`}
      <button type="button" class="lang" onClick=${() => setLang(lang.value === "zh" ? "en" : "zh")}>${t("choice.language")}</button></div>
  </form></main>`;
}
