/* Speaks for wechatpay-axios-plugin: one job on stdin, its outcome on stdout. Run by test_wechat_counterparts.py. */
const { Wechatpay, Rsa, Aes, Hash, Formatter, Transformer } = require('wechatpay-axios-plugin');

const words = async (asked) => {
  try {
    const { data, status } = await asked;
    return { status, data };
  } catch (error) {
    const { response } = error;
    return { error: error.code || error.message, status: response && response.status, data: response && response.data };
  }
};

const client = ({ mchid, serial, privateKey, certs, secret, baseURL }) => new Wechatpay({
  mchid, serial, privateKey, certs, secret, baseURL, proxy: false,
});

const jobs = {
  /* A payment's life over APIv3; every answer's signature is checked by the plugin. */
  async pay({ account, order, refund }) {
    const wxpay = client(account);
    const path = { out_trade_no: order.out_trade_no, params: { mchid: account.mchid } };
    return {
      created: await words(wxpay.v3.pay.transactions.native.post(order)),
      unpaid: await words(wxpay.v3.pay.transactions.outTradeNo._out_trade_no_.get(path)),
      closed: await words(wxpay.chain(`v3/pay/transactions/out-trade-no/${order.out_trade_no}/close`).post({ mchid: account.mchid })),
      after: await words(wxpay.v3.pay.transactions.outTradeNo._out_trade_no_.get(path)),
      refunded: await words(wxpay.v3.refund.domestic.refunds.post(refund)),
      certificates: await words(wxpay.v3.certificates.get()),
    };
  },
  /* A mandate's life over the XML interface. */
  async papay({ account, asked }) {
    const wxpay = client(account);
    const said = {};
    for (const [name, { path, fields, nonceless }] of Object.entries(asked)) {
      said[name] = await words(wxpay.chain(`v2/${path}`).post(fields, { nonceless }));
    }
    return said;
  },
  /* What others signed, checked by the plugin's own functions. */
  async check({ requests, callback, xml, bill }) {
    const out = {};
    if (requests) {
      out.requests = requests.map(({ lines, signature, publicKey }) => Rsa.verify(
        Formatter.joinedByLineFeed(...lines), signature, Rsa.from(publicKey, Rsa.KEY_TYPE_PUBLIC),
      ));
    }
    if (callback) {
      const { headers, body, publicKey, apiV3Key } = callback;
      out.isGenuine = Rsa.verify(
        Formatter.response(headers['wechatpay-timestamp'], headers['wechatpay-nonce'], body),
        headers['wechatpay-signature'], Rsa.from(publicKey, Rsa.KEY_TYPE_PUBLIC),
      );
      const { resource } = JSON.parse(body);
      out.opened = JSON.parse(Aes.AesGcm.decrypt(resource.ciphertext, apiV3Key, resource.nonce, resource.associated_data));
    }
    if (xml) {
      out.xml = xml.map(({ body, key }) => {
        const fields = Transformer.toObject(body);
        const type = fields.sign.length === 64 ? Hash.ALGO_HMAC_SHA256 : Hash.ALGO_MD5;
        return { fields, isGenuine: Hash.equals(Hash.sign(type, fields, key), fields.sign) };
      });
    }
    if (bill) { out.bill = Formatter.castCsvBill(Buffer.from(bill, 'base64')); }
    return out;
  },
};

let input = '';
process.stdin.on('data', (chunk) => { input += chunk; }).on('end', async () => {
  const { job, ...given } = JSON.parse(input);
  process.stdout.write(JSON.stringify(await jobs[job](given)));
});
