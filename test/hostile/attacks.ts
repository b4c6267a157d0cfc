/** Every attack, in the order in which they are run. */

import type { Attack } from './attack.js';
import { CONNECTIONS } from './connections.js';
import { FUZZ } from './fuzz.js';
import { HTTP2 } from './http2.js';
import { MINERS } from './miners.js';
import { READERS } from './readers.js';
import { SHAPES } from './shapes.js';
import { SLOW } from './slow.js';
import { TLS } from './tls.js';

export const ATTACKS: readonly Attack[] = [
  ...SLOW,
  ...CONNECTIONS,
  ...SHAPES,
  ...TLS,
  ...HTTP2,
  ...MINERS,
  ...READERS,
  ...FUZZ,
];
