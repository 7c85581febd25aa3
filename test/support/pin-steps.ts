import assert from 'node:assert/strict';
import type { PinWorld, Visitor } from './pin-world.ts';
import { readRows } from './rows.ts';

/** A sign-in whose code has come. */
export async function begun(
  pins: PinWorld,
  email: string,
): Promise<{ visitor: Visitor; url: URL; code: string }> {
  const visitor = pins.visitor();
  const url = await visitor.begin();
  return { visitor, url, code: await visitor.askAndGet(url, email) };
}

/** So many mails have come, and no more when another was sent after all of them. */
export async function assertMails(pins: PinWorld, expected: number): Promise<void> {
  const { sink } = pins;
  await begun(pins, `last-${sink.mails.length}@example.com`);
  if (expected > 0) await sink.mail(expected);
  assert.equal(sink.mails.length - 1, expected, sink.mails.map(({ to }) => to).join());
}

/** How many sign-ins are under way, and how many of them have asked for a code. */
export async function tables(pins: PinWorld) {
  const { sign_in_states: states = [], sign_in_pins: codes = [] } = await readRows(pins.world.database);
  return { states: states.length, codes: codes.length };
}
