// Trades a password or a token for a session. The secret is not kept: the session is in a cookie that scripts cannot read.

import { get, post, remove } from "./api.js";
import { byId, write } from "./dom.js";

/** Who has a session already; a token after the `#` of the address (`#token=…`) signs in a display on a wall. */
export async function known() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname);
    try {
      return await post("session", { secret: token });
    } catch (refused) {
      write(byId("sign-in-error"), refused.message);
    }
  }
  return get("session");
}

/** Shows the form until somebody is let in. */
export function ask({ has_secrets: hasSecrets }) {
  byId("sign-in").hidden = false;
  byId("sign-in-form").hidden = !hasSecrets;
  byId("no-secrets").hidden = hasSecrets;
  if (!hasSecrets) return new Promise(() => {});
  const field = byId("secret");
  field.focus();
  return new Promise((resolve) => {
    byId("sign-in-form").onsubmit = async (event) => {
      event.preventDefault();
      const error = byId("sign-in-error");
      write(error, "");
      try {
        const session = await post("session", { secret: field.value });
        byId("sign-in").hidden = true;
        resolve(session);
      } catch (refused) {
        write(error, refused.message);
      }
      field.value = "";
    };
  });
}

export const signOut = () => remove("session");
