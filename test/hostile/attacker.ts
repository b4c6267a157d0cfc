/** The attacker's process: its work is not the victim's, and whatever it holds goes with it. Its orders are its argument, as JSON. */

import { ATTACKS } from './attacks.js';
import type { Orders, Told } from './orders.js';

const { name, victim, effort } = JSON.parse(String(process.argv[2])) as Orders;

function tell(told: Told): void {
  process.send?.(told);
}

async function attack(): Promise<void> {
  const ordered = ATTACKS.find((one) => one.name === name);
  if (ordered === undefined) throw new Error(`there is no attack ${name}`);
  const figures = await ordered.run(victim, effort, () => tell({ what: 'in place' }));
  tell({ what: 'done', figures });
}

// Nobody attacks for himself: it ends with whoever has started it.
process.once('disconnect', () => process.exit());
process.once('message', () => attack().catch((error: Error) => tell({ what: 'failed', why: String(error.stack) })));
tell({ what: 'ready' });
