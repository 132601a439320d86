/* Inside WeChat: hands the signed parameters to its bridge. What became of it is asked of our server, not of WeChat. */
(() => {
  "use strict";

  const button = document.getElementById("wechat-pay");
  if (!button) return;

  const look = () => {
    const poller = document.getElementById("poller");
    if (poller && window.htmx) window.htmx.trigger(poller, "look");
  };

  const pay = () => {
    const given = button.dataset;
    window.WeixinJSBridge.invoke(
      "getBrandWCPayRequest",
      {
        appId: given.appId,
        timeStamp: given.timeStamp,
        nonceStr: given.nonce,
        package: given.package,
        signType: given.signType,
        paySign: given.signature,
      },
      look,
    );
  };

  const begin = () => {
    button.hidden = false;
    button.addEventListener("click", pay);
    pay();
  };

  if (window.WeixinJSBridge) begin();
  else document.addEventListener("WeixinJSBridgeReady", begin, { once: true });
})();
