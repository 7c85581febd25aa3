import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseInclude, parseRules } from './rule-reader.ts';
import { MOST_RULES } from './rules.ts';

function problems(value: unknown): readonly { pointer: string; message: string }[] {
  const result = parseRules(value, '/include');
  assert.equal(result.ok, false, JSON.stringify(value));
  return result.ok ? [] : result.problems;
}

const TOKEN = '0f174e90-fafe-4643-bbbc-4a0ed4fc8415';
const TOKEN_ID = '/include/0/service_token/token_id';
const ANY_TOKEN = '/include/0/any_valid_service_token';

/** Through JSON.parse, since only there `__proto__` is a key like any other. */
const malformed: [string, string, string, RegExp][] = [
  ['no list', '{}', '/include', /array/],
  ['null', 'null', '/include', /array/],
  ['a text for a rule', '["everyone"]', '/include/0', /exactly one key/],
  ['null for a rule', '[null]', '/include/0', /exactly one key/],
  ['a list for a rule', '[[]]', '/include/0', /exactly one key/],
  ['a rule without a type', '[{}]', '/include/0', /exactly one key/],
  ['a rule of two types', '[{"everyone":{},"email":{"email":"a@b.c"}}]', '/include/0', /exactly one key/],
  [
    'a rule hidden in a prototype',
    '[{"__proto__":{"everyone":{}}}]',
    '/include/0',
    /"__proto__" is not known/,
  ],
  ['an inherited name for a type', '[{"constructor":{}}]', '/include/0', /"constructor" is not known/],
  ['an unknown type', '[{"everybody":{}}]', '/include/0', /"everybody" is not known/],
  ['everyone with a condition', '[{"everyone":{"but":"ann"}}]', '/include/0/everyone', /empty/],
  ['everyone with a prototype', '[{"everyone":{"__proto__":{}}}]', '/include/0/everyone', /empty/],
  ['everyone as true', '[{"everyone":true}]', '/include/0/everyone', /object/],
  ['everyone as a list', '[{"everyone":[]}]', '/include/0/everyone', /object/],
  ['an e-mail as a text', '[{"email":"a@b.c"}]', '/include/0/email', /object/],
  ['an e-mail that is missing', '[{"email":{}}]', '/include/0/email/email', /e-mail/],
  ['an e-mail that is a number', '[{"email":{"email":1}}]', '/include/0/email/email', /e-mail/],
  ['an e-mail that is none', '[{"email":{"email":"a@b@c"}}]', '/include/0/email/email', /e-mail/],
  [
    'an inherited e-mail',
    '[{"email":{"__proto__":{"email":"a@b.c"}}}]',
    '/include/0/email',
    /no key but "email"/,
  ],
  [
    'an e-mail with a further condition',
    '[{"email":{"email":"a@b.c","x":1}}]',
    '/include/0/email',
    /no key but/,
  ],
  ['a domain that is missing', '[{"email_domain":{}}]', '/include/0/email_domain/domain', /domain/],
  [
    'a domain with an at sign',
    '[{"email_domain":{"domain":"@b.c"}}]',
    '/include/0/email_domain/domain',
    /domain/,
  ],
  [
    'a domain with a wildcard',
    '[{"email_domain":{"domain":"*.b.c"}}]',
    '/include/0/email_domain/domain',
    /domain/,
  ],
  [
    'a domain under the wrong key',
    '[{"email_domain":{"email_domain":"b.c"}}]',
    '/include/0/email_domain',
    /"domain"/,
  ],
  ['any service token as true', '[{"any_valid_service_token":true}]', `${ANY_TOKEN}`, /object/],
  ['any service token as a list', '[{"any_valid_service_token":[]}]', `${ANY_TOKEN}`, /object/],
  ['any service token but one', '[{"any_valid_service_token":{"but":"x"}}]', `${ANY_TOKEN}`, /empty/],
  ['a service token as a text', `[{"service_token":"${TOKEN}"}]`, '/include/0/service_token', /object/],
  ['a service token that is missing', '[{"service_token":{}}]', TOKEN_ID, /id of a service token/],
  ['a service token by its number', '[{"service_token":{"token_id":1}}]', TOKEN_ID, /id of a service token/],
  [
    'a service token by its client id',
    `[{"service_token":{"token_id":"${'a'.repeat(32)}.access"}}]`,
    TOKEN_ID,
    /id of a service token/,
  ],
  [
    'a service token with something after its id',
    `[{"service_token":{"token_id":"${TOKEN}\\n"}}]`,
    TOKEN_ID,
    /id of a service token/,
  ],
  [
    'an inherited service token',
    `[{"service_token":{"__proto__":{"token_id":"${TOKEN}"}}}]`,
    '/include/0/service_token',
    /no key but "token_id"/,
  ],
  [
    'a service token with a further condition',
    `[{"service_token":{"token_id":"${TOKEN}","ip":"10.0.0.1"}}]`,
    '/include/0/service_token',
    /no key but/,
  ],
];

for (const [what, json, pointer, message] of malformed) {
  test(`${what} is refused at ${pointer}`, () => {
    const [problem, ...more] = problems(JSON.parse(json));
    assert.deepEqual(more, []);
    assert.equal(problem?.pointer, pointer);
    assert.match(problem.message, message);
  });
}

const unknowable = [
  ...['auth_context', 'cloudflare_account_member', 'geo', 'gsuite'],
  ...['linked_app_token', 'user_risk_score'],
];

for (const type of unknowable) {
  test(`a rule of the type ${type} is refused by name`, () => {
    const message = `the rule type "${type}" is not supported yet`;
    assert.deepEqual(problems([{ [type]: {} }]), [{ pointer: `/include/0/${type}`, message }]);
  });
}

test('every faulty rule is named at once, and the good ones are not', () => {
  const found = problems([{ geo: {} }, { everyone: {} }, { email: { email: 'x' } }, 7]);
  assert.deepEqual(
    found.map(({ pointer }) => pointer),
    ['/include/0/geo', '/include/2/email/email', '/include/3'],
  );
});

test('a type of a million characters is not repeated to the caller', () => {
  const [problem] = problems([{ ['x'.repeat(1_000_000)]: {} }]);
  assert.ok(JSON.stringify(problem).length < 200);
});

test('more rules than the limit are refused without reading them', () => {
  const rules = Array.from({ length: MOST_RULES + 1 }, () => ({ geo: {} }));
  assert.deepEqual(problems(rules), [{ pointer: '/include', message: 'must have at most 1000 rules' }]);
  assert.equal(
    parseRules(
      Array.from({ length: MOST_RULES }, () => ({ everyone: {} })),
      '',
    ).ok,
    true,
  );
});

test('an empty list is no include, but may be an exclude or a require', () => {
  assert.deepEqual(parseInclude([], '/include'), {
    ok: false,
    problems: [{ pointer: '/include', message: 'must have at least one rule' }],
  });
  assert.deepEqual(parseRules([], '/exclude'), { ok: true, value: [] });
  assert.equal(parseInclude({}, '/include').ok, false);
});

test('e-mails, domains and ids come out as keys', () => {
  const rules = [
    { everyone: {} },
    { email: { email: 'Ann@BÜCHER.de' } },
    { email_domain: { domain: 'BÜCHER.de' } },
    { service_token: { token_id: TOKEN.toUpperCase() } },
    { any_valid_service_token: {} },
  ];
  assert.deepEqual(parseInclude(rules, '/include'), {
    ok: true,
    value: [
      { everyone: {} },
      { email: { email: 'ann@xn--bcher-kva.de' } },
      { email_domain: { domain: 'xn--bcher-kva.de' } },
      { service_token: { token_id: TOKEN } },
      { any_valid_service_token: {} },
    ],
  });
});

test('property: any JSON is read or refused with pointers into it, and never throws', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const result = parseRules([value], '/include');
      if (result.ok) return;
      assert.ok(result.problems.length > 0);
      for (const { pointer } of result.problems) assert.match(pointer, /^\/include\/0/);
    }),
  );
});

test('property: what was read is read as itself', () => {
  const rule = fc.oneof(
    fc.constant({ everyone: {} }),
    fc.emailAddress().map((email) => ({ email: { email } })),
    fc.domain().map((domain) => ({ email_domain: { domain } })),
    fc.uuid().map((token_id) => ({ service_token: { token_id } })),
    fc.constant({ any_valid_service_token: {} }),
  );
  fc.assert(
    fc.property(fc.array(rule), (rules) => {
      const once = parseRules(rules, '');
      assert.ok(once.ok);
      assert.deepEqual(parseRules(once.value, ''), once);
    }),
  );
});
