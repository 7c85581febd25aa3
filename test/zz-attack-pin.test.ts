import { it } from 'node:test';
import { pinsOnBothDatabases, notThe } from './support/pin-world.ts';
import { readRows } from './support/rows.ts';
pinsOnBothDatabases('zz pin', (pins) => {
  it('timing of the fifth wrong code', async () => {
    const { world } = pins();
    await world.sdk.zeroTrust.access.users.create({ account_id: world.account_id, email: 'known000@example.org' });
    const run = async (email: string) => {
      const v = pins().visitor();
      const url = await v.begin();
      await v.ask(url, email);
      for (let i = 0; i < 4; i++) await v.enter(url, '000000');
      const t = process.hrtime.bigint();
      const p = await v.enter(url, '000000');
      return { ms: Number(process.hrtime.bigint() - t) / 1e6, status: p.status };
    };
    const a: number[] = [], b: number[] = [];
    for (let i = 0; i < 14; i++) { b.push((await run('nobody00@example.org')).ms); a.push((await run('known000@example.org')).ms); }
    const med = (x: number[]) => x.toSorted((p, q) => p - q)[Math.floor(x.length / 2)];
    console.log('known', med(a), 'unknown', med(b));
    const rows = await readRows(world.database);
    console.log('failed_logins', rows.failed_logins?.length);
  });
  it('one address exhausts the mails of many', async () => {
    const { sink, world } = pins();
    const v = pins().visitor();
    let here = 0;
    // attacker, one address: 75 askings, beyond its limit of 50
    for (let i = 0; i < 25; i++) {
      const url = await v.begin();
      for (let j = 0; j < 3; j++) { const p = await v.post(url, { email: j < 3 ? `filler${i}-${j}@example.com` : '' }); if (p.status === 429) here++; }
    }
    console.log('too many here', here);
    // now beyond the limit, still counted against the victim
    let st: number[] = [];
    for (let i = 0; i < 20; i++) { const url = await v.begin(); st.push((await v.post(url, { email: 'victim@example.com' })).status); }
    console.log('statuses', [...new Set(st)]);
    const n = sink.mails.length;
    const w = pins().visitor();
    const url = await w.begin();
    await w.ask(url, 'victim@example.com');
    await new Promise((r) => setTimeout(r, 1500));
    console.log('victim mails after attack:', sink.mails.slice(n).filter(({ to }) => to.includes('victim@example.com')).length);
    world.app.clock.advance(16 * 60_000);
    const w2 = pins().visitor();
    const url2 = await w2.begin();
    await w2.ask(url2, 'victim@example.com');
    await new Promise((r) => setTimeout(r, 1500));
    console.log('victim mails 16 min later:', sink.mails.slice(n).filter(({ to }) => to.includes('victim@example.com')).length);
  });
});
