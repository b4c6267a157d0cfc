/** `hourcoin tls`: certificates for a private network: its own authority's, a validator's, and one for each miner. */

import 'reflect-metadata';
import { createPrivateKey, X509Certificate as ReadCertificate, randomBytes, webcrypto } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { ExitError } from './exit.js';
import { harmless, say } from './text.js';

const CURVE = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** The authority's, and the validator's: the whole network would stop at once at its end. */
const NETWORK_MS = 3_650 * 86_400_000;
/** A miner's. */
const CLIENT_MS = 730 * 86_400_000;
/** A clock that stands a little behind must not find a certificate from the future. */
const SKEW_MS = 300_000;

/** What X.509 allows for a common name. */
const LONGEST_NAME = 64;

/** By these whoever tries it on the validator's own machine reaches it. */
const LOOPBACK = ['localhost', '127.0.0.1', '::1'];

/** Who signs. */
interface Authority {
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

/** Whom a certificate is for. */
interface Owner {
  /** What its files are called. */
  readonly file: string;
  readonly commonName: string;
  /** For people. */
  readonly title: string;
  readonly lifetimeMs: number;
  readonly extensions: readonly x509.Extension[];
}

/** Makes an authority, a certificate for a validator of some names, and one for each miner. */
export async function runTlsInit(folder: string, hosts: readonly string[], minerIds: readonly string[]): Promise<void> {
  const names = [...new Set([...hosts, ...LOOPBACK])];
  const owners = [server(names), ...[...new Set(minerIds)].map(client)];
  const files = ['ca', ...owners.map(({ file }) => file)].flatMap((file) => filesOf(folder, file));
  const twice = files.find((path, position) => files.indexOf(path) !== position);
  if (twice !== undefined) throw new ExitError(`${twice} would be made twice: call that miner something else`, 2);
  mustBeFree(files, 'choose another folder, or add a miner with hourcoin tls client');
  await writing(async () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const authority = await makeAuthority(folder);
    for (const owner of owners) await issue(folder, owner, authority);
  });
  say();
  say(`Whoever has ${join(folder, 'ca-key.pem')} can be any miner: keep it where nobody else can read it.`);
  const path = (file: string): string => quoted(join(folder, file));
  const everywhere = hosts.every((host) => LOOPBACK.includes(host)) ? '127.0.0.1' : '0.0.0.0';
  const listen = `--listen tls://${everywhere}:8443 --listen grpcs://${everywhere}:50443`;
  const own = `--tls-cert ${path('server.pem')} --tls-key ${path('server-key.pem')} --tls-client-ca ${path('ca.pem')}`;
  say();
  say('Next, the validator, which needs these three files:');
  say(`  hourcoin validator ${listen} ${own}`);
  const [first] = minerIds;
  if (first !== undefined) sayNext(folder, first, names[0]);
  if (owners.length > 2) say('and the others likewise, each with files of its own.');
}

/** Makes a certificate for one more miner of an authority. */
export async function runTlsClient(folder: string, minerId: string): Promise<void> {
  const owner = client(minerId);
  mustBeFree(filesOf(folder, owner.file), 'move it away to have another one made');
  const authority = await readAuthority(folder);
  await writing(() => issue(folder, owner, authority));
  sayNext(folder, minerId);
}

/** How a miner goes on, on either protocol. */
function sayNext(folder: string, minerId: string, host = 'HOST'): void {
  const at = isIP(host) === 6 ? `[${host}]` : host;
  const path = (suffix: string): string => quoted(join(folder, `${fileName(minerId)}${suffix}`));
  const files = `--ca ${quoted(join(folder, 'ca.pem'))} --cert ${path('.pem')} --key ${path('-key.pem')}`;
  say(`Then the miner ${harmless(minerId)}, over JSON/TCP or gRPC; it needs these three files:`);
  for (const address of [`tls://${at}:8443`, `grpcs://${at}:50443`]) {
    say(`  hourcoin miner ${quoted(minerId)} ${address} ${files}`);
  }
}

function server(names: readonly string[]): Owner {
  const title = `the validator at ${names.join(', ')}`;
  return {
    file: 'server',
    // A name that is too long for it is among the alternative ones, which are those that count.
    commonName: names.find((name) => name.length <= LONGEST_NAME) ?? 'validator',
    title,
    lifetimeMs: NETWORK_MS,
    extensions: [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) > 0 ? 'ip' : 'dns', value }) as const),
      ),
    ],
  };
}

function client(minerId: string): Owner {
  if ([...minerId].length > LONGEST_NAME) {
    const what = `${harmless(minerId)}: the name in a certificate has at most ${LONGEST_NAME} characters`;
    throw new ExitError(`${what}; give this miner a key with hourcoin key add`, 2);
  }
  return {
    file: fileName(minerId),
    commonName: minerId,
    title: `the miner ${harmless(minerId)}`,
    lifetimeMs: CLIENT_MS,
    extensions: [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])],
  };
}

async function makeAuthority(folder: string): Promise<Authority> {
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    notBefore: new Date(Date.now() - SKEW_MS),
    notAfter: new Date(Date.now() + NETWORK_MS),
    serialNumber: serialNumber(),
    name: nameOf('Hourcoin private network'),
    signingAlgorithm: CURVE,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  await write(folder, 'ca', "the network's authority", certificate, keys.privateKey);
  return { certificate, key: keys.privateKey };
}

/** The authority of a folder. Throws an ExitError where there is none, or where what it signs would be worth nothing. */
async function readAuthority(folder: string): Promise<Authority> {
  const [path, keyPath] = filesOf(folder, 'ca');
  let certificate: ReadCertificate;
  let key: ReturnType<typeof createPrivateKey>;
  try {
    certificate = new ReadCertificate(readFileSync(path));
    key = createPrivateKey(readFileSync(keyPath));
  } catch (error) {
    throw new ExitError(`there is no authority in ${folder}: ${(error as Error).message}`);
  }
  if (!certificate.ca || !certificate.checkPrivateKey(key)) {
    throw new ExitError(`${path} and ${keyPath} are no authority and its key`);
  }
  if (Date.parse(certificate.validTo) <= Date.now()) {
    const end = new Date(certificate.validTo).toISOString().slice(0, 10);
    throw new ExitError(`the authority in ${folder} has expired on ${end}: make another one with hourcoin tls init`);
  }
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  return {
    certificate: new x509.X509Certificate(certificate.raw),
    key: await webcrypto.subtle.importKey('pkcs8', pkcs8, CURVE, false, ['sign']),
  };
}

/** Makes a certificate, which does not outlive its authority. */
async function issue(folder: string, owner: Owner, { certificate: authority, key }: Authority): Promise<void> {
  const { file, commonName, title, lifetimeMs, extensions } = owner;
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    notBefore: new Date(Date.now() - SKEW_MS),
    notAfter: new Date(Math.min(Date.now() + lifetimeMs, authority.notAfter.getTime())),
    serialNumber: serialNumber(),
    subject: nameOf(commonName),
    issuer: authority.subjectName,
    signingAlgorithm: CURVE,
    publicKey: keys.publicKey,
    signingKey: key,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
      ...extensions,
    ],
  });
  await write(folder, file, title, certificate, keys.privateKey);
}

async function write(
  folder: string,
  file: string,
  title: string,
  certificate: x509.X509Certificate,
  key: webcrypto.CryptoKey,
): Promise<void> {
  const [path, keyPath] = filesOf(folder, file);
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', key);
  writeFileSync(keyPath, `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`, { mode: 0o600, flag: 'wx' });
  writeFileSync(path, `${certificate.toString('pem')}\n`, { mode: 0o644, flag: 'wx' });
  say(`${path}, ${keyPath}: ${title}, until ${certificate.notAfter.toISOString().slice(0, 10)}`);
}

/** What the system says of a file is told in its own words. */
async function writing(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw new ExitError(`cannot write: ${error.message}`);
    throw error;
  }
}

function mustBeFree(files: readonly string[], whatToDo: string): void {
  const there = files.find((file) => existsSync(file));
  if (there !== undefined) throw new ExitError(`${there} is there already, and is not overwritten: ${whatToDo}`);
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
}

/** A name of one part, whatever is in it: as a mere string, quotes and backslashes would be read. */
function nameOf(commonName: string): x509.Name {
  return new x509.Name([{ CN: [{ utf8String: commonName }] }]);
}

/** 16 random bytes, the first of which makes a number above zero without leading zeros. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] as number) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

function filesOf(folder: string, file: string): readonly [certificate: string, key: string] {
  return [join(folder, `${file}.pem`), join(folder, `${file}-key.pem`)];
}

/** A miner id may hold what a file's name may not. */
function fileName(minerId: string): string {
  return minerId.replace(/[^\p{L}\p{N}_-]/gu, (character) => `%${Buffer.from(character).toString('hex')}`);
}

/** A word as a shell takes it. */
function quoted(word: string): string {
  return /^[\w./:@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
