// Drives npm's alipay-sdk for tests/payments/gateways/test_alipay_counterparts.py: steps in on stdin, results out.
import { readFileSync } from 'node:fs';
import { AlipaySdk } from 'alipay-sdk';

const { config, steps } = JSON.parse(readFileSync(0, 'utf8'));
const sdk = new AlipaySdk({ ...config, camelcase: false, keyType: 'PKCS1' });
const operations = {
  exec: ({ method, params }) => sdk.exec(method, params, { validateSign: true }),
  sdkExecute: ({ method, params }) => sdk.sdkExecute(method, params),
  pageExecute: ({ method, params }) => sdk.pageExecute(method, 'GET', params),
  checkNotify: ({ post }) => sdk.checkNotifySignV2(post),
};
const results = [];
for (const step of steps) {
  try {
    results.push({ result: await operations[step.operation](step) });
  } catch (error) {
    results.push({ error: String(error.message ?? error).slice(0, 300) });
  }
}
process.stdout.write(JSON.stringify(results));
