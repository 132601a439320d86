/* The provider's card form inside our page. The numbers are typed into its frame; this script sees none of them. */
(() => {
  "use strict";

  const form = document.getElementById("card-form");
  const problem = document.getElementById("card-problem");
  const loading = document.getElementById("card-loading");

  const giveUp = () => {
    loading.textContent = form.dataset.failed;
  };

  if (!form || typeof window.Stripe !== "function") {
    if (form) giveUp();
    return;
  }

  const looks = () => {
    const style = window.getComputedStyle(document.body);
    const ofPage = (name) => style.getPropertyValue(name).trim();
    return {
      theme: window.matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "stripe",
      variables: { colorPrimary: ofPage("--accent") || "#0f766e", borderRadius: "8px" },
    };
  };

  const stripe = window.Stripe(form.dataset.key, { locale: document.documentElement.lang.slice(0, 2) || "auto" });
  const wishes = { clientSecret: form.dataset.secret, appearance: looks() };
  if (form.dataset.customer) wishes.customerSessionClientSecret = form.dataset.customer;
  const elements = stripe.elements(wishes);
  const card = elements.create("payment");
  card.on("ready", () => {
    loading.hidden = true;
    form.hidden = false;
  });
  card.on("loaderror", giveUp);
  card.mount("#card-element");

  const look = () => {
    const poller = document.getElementById("poller");
    if (poller && window.htmx) window.htmx.trigger(poller, "look");
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.classList.contains("is-sent")) return;
    form.classList.add("is-sent");
    problem.textContent = "";
    const back = new URL(form.dataset.back, window.location.href).href;
    const answer = await stripe.confirmPayment({ elements, confirmParams: { return_url: back }, redirect: "if_required" });
    if (answer.error) {
      form.classList.remove("is-sent");
      problem.textContent = answer.error.message || "";
    } else {
      look();
    }
  });
})();
