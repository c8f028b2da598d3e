// Ways into private networks: each is tried against a site that notes who asks, and must fail before it is asked.
import test from 'ava';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { testCertificate } from '@plugboard/test-kit';
import { Policy } from '../src/policy.ts';
import { allowing, open, redirect, send, site } from './stand.ts';

const publicAddress = '93.184.216.34';

function policy(options: Partial<ConstructorParameters<typeof Policy>[0]> = {}): Policy {
  return new Policy({ allow: [], deny: [], allowPrivate: [], ports: [80, 443], ...options });
}

const notPublic = [
  '0.0.0.0',
  '0.1.2.3',
  '10.0.0.1',
  '100.64.0.1',
  '100.100.100.200',
  '127.0.0.1',
  '127.255.255.254',
  '168.63.129.16',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.192',
  '192.0.2.1',
  '192.88.99.1',
  '192.168.1.1',
  '198.18.0.1',
  '198.51.100.7',
  '203.0.113.9',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::127.0.0.1',
  '::ffff:10.0.0.1',
  '::ffff:0:10.0.0.1',
  '64:ff9b::10.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b:1::808:808',
  '100::1',
  '2001::1',
  '2001:db8::1',
  '2001:10::1',
  '2002:7f00:1::',
  '2002:0808:0808::',
  '3fff::1',
  '4000::1',
  '5f00::1',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fe80::1%1',
  'fec0::1',
  'ff02::1',
];

test('addresses that are not public are refused, in every way to write them', (t) => {
  for (const address of notPublic)
    t.throws(() => policy().checkAddresses('host.example', [address]), { message: /not public/ }, address);
  for (const address of ['8.8.8.8', publicAddress, '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::8.8.8.8'])
    t.notThrows(() => policy().checkAddresses('host.example', [address]), address);
  // One bad address among good ones, and none at all.
  t.throws(() => policy().checkAddresses('host.example', [publicAddress, '10.0.0.1']));
  t.throws(() => policy().checkAddresses('host.example', []));
});

test('URLs that lead inside are refused without a question to anybody', async (t) => {
  const canary = await site(t, { '/': send('text/plain', 'inside') });
  const asked: string[] = [];
  const client = await open(t, { ports: [canary.port, 80, 443] }, (host) => {
    asked.push(host);
    return Promise.resolve([{ address: publicAddress, family: 4 }]);
  });
  const { port } = canary;
  const hosts = [
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '017700000001',
    '127.0.0.1.',
    '①②⑦.0.0.1',
    '0',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:0:0:1]',
    '[::127.0.0.1]',
    '[64:ff9b::127.0.0.1]',
    '[2002:7f00:1::]',
    '169.254.169.254',
    '[fe80::1]',
  ];
  for (const host of hosts) {
    const outcome = await client.fetch(`http://${host}:${port}/`);
    t.true(outcome.isError, host);
    t.regex(outcome.text, /not public .*allowPrivate/, host);
  }
  for (const [url, words] of [
    [`http://[::1%25lo]:${port}/`, /is no URL/],
    [`http://[fe80::1%25eth0]/`, /is no URL/],
    ['http://1.2.3.4.5/', /is no URL/],
    ['/etc/passwd', /is no URL/],
    ['file:///etc/passwd', /only http and https/],
    ['ftp://example.com/', /only http and https/],
    ['data:text/html,hello', /only http and https/],
    ['javascript:alert(1)', /only http and https/],
    ['http://user:secret@example.com/', /user name or password/],
    ['http://user@example.com/', /user name or password/],
    [`http://example.com@127.0.0.1:${port}/`, /user name or password/],
    ['http://example.com:22/', /port 22 .*option ports/],
    [`http://example.com/${'a'.repeat(9000)}`, /more than 8192 characters/],
  ] as const) {
    const outcome = await client.fetch(url);
    t.true(outcome.isError, url);
    t.regex(outcome.text, words, url);
    t.false(outcome.text.includes('secret'));
  }
  t.is(canary.connections(), 0);
  t.deepEqual(asked, []);
});

test('the address that was checked is the one that is connected to, whatever the name says a moment later', async (t) => {
  const canary = await site(t, { '/': send('text/plain', 'inside'), '/robots.txt': send('text/plain', '') });
  const answers: string[] = [];
  // Stands for a public address: nobody listens there.
  const allowed = '127.0.0.2';
  // As for rebinding: public when it is looked at, inside when it is connected to.
  for (const order of [
    [allowed, '127.0.0.1'],
    ['127.0.0.1', allowed],
  ]) {
    let count = 0;
    const client = await open(t, { ports: [canary.port], allowPrivate: [allowed] }, () => {
      const address = order[count % 2] ?? '';
      count += 1;
      answers.push(address);
      return Promise.resolve([{ address, family: 4 }]);
    });
    const outcome = await client.fetch(`http://rebind.example:${canary.port}/`);
    t.true(outcome.isError);
    t.false(outcome.text.includes('inside'));
  }
  t.true(answers.includes('127.0.0.1'));
  t.is(canary.connections(), 0);
  // Both at once: none is tried.
  const both = await open(t, { ports: [canary.port], allowPrivate: [allowed] }, () =>
    Promise.resolve([
      { address: allowed, family: 4 },
      { address: '127.0.0.1', family: 4 },
    ]),
  );
  t.regex((await both.fetch(`http://both.example:${canary.port}/`)).text, /not public/);
  // The name of this machine, by the system's own resolver.
  const plain = await open(t, { ports: [canary.port] });
  for (const host of ['localhost', 'LOCALHOST.', 'localhost.']) {
    const outcome = await plain.fetch(`http://${host}:${canary.port}/`);
    t.true(outcome.isError, host);
    t.false(/127\.0\.0\.1|::1/.test(outcome.text), 'the address of an inner name is not told');
  }
  t.is(canary.connections(), 0);
});

test('redirects are checked like the first URL, one by one', async (t) => {
  const inside = await site(t, { '/': send('text/plain', 'inside') });
  const outside = await site(t, {
    '/to-inside': redirect(`http://127.0.0.1:${inside.port}/`),
    '/to-decimal': redirect(`http://2130706433:${inside.port}/`),
    '/to-v6': redirect(`http://[::ffff:127.0.0.1]:${inside.port}/`),
    '/to-name': redirect(`http://inner.example:${inside.port}/`),
    '/to-file': redirect('file:///etc/passwd'),
    '/to-login': redirect('/page', 307),
    '/with-password': (_, response) => {
      response.writeHead(302, { location: `http://a:b@outer.example:${outside.port}/page` }).end();
    },
    '/to-nothing': redirect('http://['),
    '/chain': redirect('/chain2', 301),
    '/chain2': redirect('to-login', 308),
    '/loop': redirect('/loop'),
    '/page': send('text/plain', 'arrived'),
  });
  // The site is public by its name only: its address is allowed, that of the other is not.
  const resolve = (host: string) =>
    Promise.resolve([{ address: host === 'outer.example' ? '127.0.0.1' : '127.0.0.2', family: 4 }]);
  const options = {
    allowPrivate: ['outer.example'],
    ports: [outside.port, inside.port],
    robots: false,
    maxRedirects: 3,
  };
  const client = await open(t, options, resolve);
  const origin = `http://outer.example:${outside.port}`;
  for (const [path, words] of [
    ['/to-inside', /not public/],
    ['/to-decimal', /not public/],
    ['/to-v6', /not public/],
    ['/to-name', /^inner\.example is not fetched: .*not public/],
    ['/to-file', /only http and https/],
    ['/with-password', /user name or password/],
    ['/to-nothing', /redirects to something that is no URL/],
    ['/loop', /more than 3 times \(option maxRedirects\)/],
  ] as const) {
    const outcome = await client.fetch(origin + path);
    t.true(outcome.isError, path);
    t.regex(outcome.text, words, path);
  }
  t.is(inside.connections(), 0);
  t.is(outside.asked.filter((path) => path === '/loop').length, 4);
  const arrived = await client.fetch(`${origin}/chain`);
  t.regex(arrived.text, /arrived\n\n\[Redirected to http:\/\/outer\.example:\d+\/page\]$/);
  t.is(arrived.structured['url'], `${origin}/page`);
});

test('robots.txt is fetched under the same guard', async (t) => {
  const inside = await site(t, { '/robots.txt': send('text/plain', 'User-agent: *\nAllow: /') });
  const outside = await site(t, {
    '/robots.txt': redirect(`http://127.0.0.2:${inside.port}/robots.txt`),
    '/': send('text/plain', 'page'),
  });
  const client = await open(t, { ...allowing(outside, inside) });
  const outcome = await client.fetch(outside.origin);
  t.regex(outcome.text, /127\.0\.0\.2 .*not public/);
  t.is(inside.connections(), 0);
  t.deepEqual(outside.asked, ['/robots.txt']);
});

test('allowPrivate, allow, deny and ports say who is asked', async (t) => {
  const local = await site(t, { '/': send('text/plain', 'page') });
  const resolve = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
  const tried = async (options: object, host = 'a.example.com') => {
    const client = await open(t, { ports: [local.port], robots: false, ...options }, resolve);
    const { text, isError } = await client.fetch(`http://${host}:${local.port}/`);
    return isError ? text : 'fetched';
  };
  for (const entry of ['127.0.0.1', '127.0.0.0/8', 'a.example.com', 'A.Example.com', '*.example.com', '*.com'])
    t.is(await tried({ allowPrivate: [entry] }), 'fetched', entry);
  for (const entry of ['10.0.0.0/8', 'example.com', '*.a.example.com', 'b.example.com', '::1'])
    t.regex(await tried({ allowPrivate: [entry] }), /not public/, entry);
  const allowPrivate = ['127.0.0.1'];
  t.is(await tried({ allowPrivate, allow: ['*.example.com'] }), 'fetched');
  t.is(await tried({ allowPrivate, allow: ['*.example.com'] }, 'A.EXAMPLE.COM.'), 'fetched');
  t.is(await tried({ allowPrivate, allow: ['127.0.0.0/8'] }, '127.0.0.1'), 'fetched');
  t.regex(await tried({ allowPrivate, allow: ['*.example.org'] }), /not in the option allow/);
  t.regex(await tried({ allowPrivate, allow: ['example.com'] }, 'notexample.com'), /not in the option allow/);
  t.regex(await tried({ allowPrivate, deny: ['a.example.com'] }), /in the option deny/);
  t.regex(await tried({ allowPrivate, deny: ['a.example.com'] }, 'A.example.COM.'), /in the option deny/);
  t.regex(await tried({ allowPrivate, deny: ['bücher.example'] }, 'BÜCHER.example'), /in the option deny/);
  t.regex(await tried({ allowPrivate, deny: ['127.0.0.0/24'] }), /address is in the option deny/);
  t.regex(await tried({ allowPrivate, deny: ['127.0.0.1'] }, '[::ffff:127.0.0.1]'), /address is in the option deny/);
  t.regex(await tried({ allowPrivate, ports: [80] }), /allowed are 80 /);
  // A host that is trusted by its name still does not lead to a metadata service.
  t.throws(() => policy({ allowPrivate: ['a.example'] }).checkAddresses('a.example', ['169.254.169.254']));
  t.notThrows(() => policy({ allowPrivate: ['169.254.169.254/32'] }).checkAddresses('x', ['169.254.169.254']));
  t.notThrows(() => policy({ allowPrivate: ['fe80::/10'] }).checkAddresses('x', ['fe80::1']));
});

test('a certificate that is not valid is not passed over', async (t) => {
  const server = createServer(testCertificate(), (_, response) => response.end('page'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const { port } = server.address() as AddressInfo;
  const client = await open(t, { allowPrivate: ['127.0.0.1'], ports: [port], robots: false });
  const outcome = await client.fetch(`https://127.0.0.1:${port}/`);
  t.true(outcome.isError);
  t.regex(outcome.text, /certificate or encryption is not valid/);
});
