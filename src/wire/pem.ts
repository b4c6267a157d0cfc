/** Certificates and keys as files have them. What is none of them TLS itself would pass over in silence. */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';

/** From where a certificate begins to where the next one does. */
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?(?=-----BEGIN CERTIFICATE-----|$)/g;

/** The certificates of a PEM text, one or more. `name`: what a message calls it. Throws a TypeError where one of them is none. */
export function certificates(name: string, pem: string | Buffer): [X509Certificate, ...X509Certificate[]] {
  try {
    const [first, ...others] = pem.toString('latin1').match(CERTIFICATE) ?? [''];
    return [new X509Certificate(first), ...others.map((other) => new X509Certificate(other))];
  } catch {
    throw new TypeError(`${name} is not a certificate in PEM`);
  }
}

/** The private key of a PEM text. Throws a TypeError in words of ours: the library's own may quote what it was given. */
export function privateKey(name: string, pem: string | Buffer): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new TypeError(`${name} is not a private key in PEM without a passphrase`);
  }
}
