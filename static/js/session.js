// An ended session: say so, keep the page, and go on once the person has logged in again in another tab.

const channel = new BroadcastChannel("winnow-session");

export function cookie(name, jar = document.cookie) {
  const found = jar.split("; ").find((pair) => pair.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}

// Logging in changes the token; pages that were open before go on with the new one.
function renewTokens() {
  const token = cookie("csrftoken");
  if (!token) return;
  for (const field of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) field.value = token;
}

export function sessionEnded() {
  const dialog = document.getElementById("session-ended");
  if (dialog && !dialog.open) dialog.showModal();
}

function resumed(user) {
  const dialog = document.getElementById("session-ended");
  if (user !== document.body.dataset.user) {
    dialog.querySelector("[data-session-other]").hidden = false;
    return;
  }
  renewTokens();
  dialog.close();
}

export function mountSession(root) {
  root.addEventListener("htmx:configRequest", (event) => {
    const token = cookie("csrftoken");
    if (token) event.detail.headers["X-CSRFToken"] = token;
  });
  root.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401) sessionEnded();
  });
  channel.addEventListener("message", (event) => resumed(event.data.user));
  if (root.querySelector("[data-session-resumed]")) channel.postMessage({ user: root.body.dataset.user });
}
