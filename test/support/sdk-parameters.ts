import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../node_modules/cloudflare/src/resources', import.meta.url));

/** The names of what a method of the SDK takes beside the parts of its path; objects in objects with dots. */
export interface SdkParameters {
  of(method: string): readonly string[];
}

/** Reads them from the source that the installed SDK brings along. */
export function readSdkParameters(): SdkParameters {
  const sources = new Map<string, string>();
  for (const file of globSync('**/*.ts', { cwd: ROOT })) {
    const text = readFileSync(path.join(ROOT, file), 'utf8');
    const key = /_key: readonly \[([^\]]+)\]/.exec(text)?.[1];
    if (key) sources.set(key.replaceAll(/[\s']/g, '').replaceAll(',', '.'), withoutComments(text));
  }
  return {
    of: (name) => {
      const dot = name.lastIndexOf('.');
      const source = sources.get(name.slice(0, dot));
      if (source === undefined) throw new Error(`the source of ${name} was not found`);
      return parametersOf(source, name.slice(dot + 1));
    },
  };
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*\*.*?\*\//gs, '');
}

function parametersOf(source: string, method: string): string[] {
  const signature = new RegExp(`\\n {2}${method}\\((.*?)\\): (?:APIPromise|PagePromise)`, 's').exec(
    source,
  )?.[1];
  if (signature === undefined) throw new Error(`the signature of ${method} was not found`);
  const type = /(?:params|query|body): (\w+)/.exec(signature)?.[1];
  return type === undefined ? [] : fieldsOf(source, type);
}

/** The fields of an interface; of one that is a choice of several, those of all of them. */
function fieldsOf(source: string, type: string): string[] {
  const inside = new RegExp(`namespace ${type} \\{(.*?)\\n\\}`, 's').exec(source)?.[1] ?? '';
  const own = new RegExp(`interface ${type}\\b[^{]*\\{(.*?)\\n\\}`, 's').exec(source)?.[1];
  const texts = own === undefined ? membersOf(source, { type, inside }) : [own];
  return [...new Set(texts.flatMap((text) => namesIn(text, inside)))];
}

function membersOf(source: string, { type, inside }: { type: string; inside: string }): string[] {
  const union = new RegExp(`type ${type} =(.*?);`, 's').exec(source)?.[1] ?? '';
  return [...union.matchAll(/\.(\w+)/g)].map(([, member]) => bodyOf(inside, member ?? ''));
}

function bodyOf(inside: string, name: string): string {
  return new RegExp(`\\n {2}export interface ${name}\\b[^{]*\\{(.*?)\\n {2}\\}`, 's').exec(inside)?.[1] ?? '';
}

/** The names of the fields of a block, which stand at its least indentation. */
function namesIn(text: string, inside: string): string[] {
  const fields = [...text.matchAll(/^( +)'?([\w.-]+)'?\??: ?([^\n]*)/gm)];
  const indent = Math.min(...fields.map(([, space = '']) => space.length));
  return fields
    .filter(([, space = '']) => space.length === indent)
    .flatMap(([, , name = '', type = '']) => {
      const nested = bodyOf(inside, /^\w+\.(\w+);/.exec(type)?.[1] ?? 'nothing');
      const below = [...nested.matchAll(/^ {4}'?([\w.]+)'?\??:/gm)].map(([, field]) => `${name}.${field}`);
      return below.length > 0 ? below : [name];
    });
}
