import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './estate.ts';

/** A way to break the product that the harness must find. The words are looked for exactly once. */
export interface Mutant {
  readonly name: string;
  readonly edits: readonly { readonly file: string; readonly from: string; readonly to: string }[];
}

/** A node acks before its gates have applied, and whoever removes waits for nobody. */
export const withoutAcks: Mutant = {
  name: 'acks disabled',
  edits: [
    {
      file: 'gates/hub.ts',
      from: '    settled: async (accountId, at) => {\n',
      to: '    settled: async (accountId, at) => {\n      if (at) return [];\n',
    },
    {
      file: 'removal/in-force.ts',
      from: '    if (rows.length === 0) return [];\n',
      to: '    if (rows.length >= 0) return [];\n',
    },
  ],
};

/** How long a mint rests between its rows and its reading where that comes last, in milliseconds. */
export const REST_MS = 2400;

/** The session's reading is taken after everything else, so nobody need ask whether the state still stands. */
export const readsLast: Mutant = {
  name: 'rev read last',
  edits: [
    {
      file: 'sign-in/finish.ts',
      from: '  // Read under the lock of the user',
      to: `  await new Promise((go) => setTimeout(go, ${REST_MS}));\n  // Read under the lock of the user`,
    },
    {
      file: 'sign-in/finish.ts',
      from: 'const session = newSession(input, { state, identity',
      to: `const last = await beginMint(tx, input.accountId);
  const session = newSession(input, { state: { ...state, epoch: last.epoch, position: last.position }, identity`,
    },
    {
      file: 'sign-in/finish.ts',
      from: 'await refuseSuperseded(later, { state, head: null, subjects: subjectsOf(session) });',
      to: '',
    },
  ],
};

/** The product as it is, with the same rest: what is found in `readsLast` must not be the rest's doing. */
export const onlyRests: Mutant = { name: 'a rest in the mint', edits: readsLast.edits.slice(0, 1) };

/** A session reads for itself where the feed stands, whatever the state of its sign-in read. */
export const withoutInheritance: Mutant = {
  name: 'inheritance off',
  edits: [
    {
      file: 'sign-in/finish.ts',
      from: 'const state = await takeStateOf(tx, input);',
      to: 'const state = { ...(await takeStateOf(tx, input)), epoch: head.epoch, position: head.position };',
    },
  ],
};

/** A copy of the program in this folder, broken so; answers the folder. Throws if an edit does not fit. */
export async function makeMutant({ edits }: Mutant, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const part of ['src', 'bin', 'package.json']) {
    await cp(join(ROOT, part), join(folder, part), { recursive: true });
  }
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  for (const { file, from, to } of edits) {
    const path = join(folder, 'src', file);
    const text = await readFile(path, 'utf8');
    const parts = text.split(from);
    if (parts.length !== 2) throw new Error(`${file}: ${parts.length - 1} places of: ${from}`);
    await writeFile(path, parts.join(to));
  }
  return folder;
}
