"use strict";
// A form with data-passkey asks the browser for a passkey ("get") or for a new one ("create") before it is sent.
for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const complaint = form.querySelector("[data-passkey-error]");
    complaint.hidden = true;
    try {
      const options = JSON.parse(document.getElementById(form.dataset.options).textContent);
      const credential = await window.webauthnJSON[form.dataset.passkey](options);
      form.elements.credential.value = JSON.stringify(credential);
      form.submit();
    } catch (refusal) {
      complaint.hidden = false;
    }
  });
}
