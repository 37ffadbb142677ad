// Who may import whom:
//
//   net ← garp ← bridge ← identity ← routes ← forward ← config ← src ← test, bench          net ← bgp ← routes
//
// An arrow also allows what lies further left. `npm run check` enforces it; each rule's comment says what to do instead.

/** What each room may import from, besides itself. `meet` is all that the rooms right of bgp may know of bgp. */
const meet = 'bgp/(route|community)\\.ts$';
const rooms = {
  net: [],
  garp: ['net/'],
  bridge: ['net/', 'garp/'],
  identity: ['net/', 'garp/', 'bridge/'],
  bgp: ['net/'],
  bfd: ['net/'],
  feeds: ['net/', 'bgp/'],
  routes: ['net/', 'garp/', 'bridge/', 'identity/', meet],
  forward: ['net/', 'garp/', 'bridge/', 'identity/', 'routes/', meet],
  config: ['net/', 'garp/', 'bridge/', 'identity/', 'routes/', 'forward/', meet],
};
const allRooms = `^(${[...Object.keys(rooms), 'native', 'src', 'test', 'bench', 'scripts'].join('|')})/`;
const product = `^(${[...Object.keys(rooms), 'native', 'src'].join('|')})/`;

/** The files that may touch the world: io/ folders and the doors. */
const shell = '(/io/|^native/|^src/(cli|daemon|log)\\.ts$|^src/(commands|daemon|demo|probe)/)';

/** The one file that imports each third-party package, so that swapping a package is a change to one file. */
const importers = {
  commander: '^src/cli\\.ts$',
  'ipaddr.js': '^net/ip\\.ts$',
  pcap: '^garp/io/capture-file\\.ts$',
  pino: '^src/log\\.ts$',
  'raw-socket': '^src/probe/icmp-socket\\.ts$',
  yaml: '^config/yaml-text\\.ts$',
  zod: '^config/schema(\\.ts$|/)',
};

const doors = {
  garp: 'the frame parser knows no bridge, no identity and no BGP. What you need belongs into a room further right, or as a shared value into net/.',
  bridge: 'bridge/ answers "local port or uplink" and nothing else. Who may claim is identity/, what is announced is routes/.',
  identity: 'identity/ must be readable alone: it gets a Sighting and returns verdicts. BGP and routes come later in the pass.',
  bgp: 'bgp/ knows nothing of VMs. Hand it routes (bgp/route.ts); what they mean is decided in routes/.',
  bfd: 'bfd/ knows nothing of BGP and runs in a process of its own. What a failure means is decided in src/.',
  feeds: 'feeds/ sees octets and what bgp/ says of them. What a route means, and who asks for a feed, is decided in src/.',
  net: 'net/ imports nothing: it holds values that all rooms share.',
  routes: 'routes/ takes from bgp only route.ts and community.ts. What needs a session belongs into src/speaker.ts, where rooms meet.',
  forward: 'forward/ plans kernel state from states of routes/. It knows neither the configuration nor a door.',
  config: 'a room exports the type of its own options; config/ may know these types, no room knows config/, and no door is known here.',
};

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Two files that import each other are one file, or lack a third: move what both need into it (values: net/).',
      from: {},
      to: { circular: true },
    },
    {
      name: 'not-resolvable',
      severity: 'error',
      comment: 'This import leads nowhere. Local imports end in .ts; a package must be in package.json.',
      from: {},
      to: { couldNotResolve: true, pathNot: '^(pcap|raw-socket)$' },
    },
    ...Object.entries(rooms).map(([room, allowed]) => ({
      name: `room-${room}`,
      severity: 'error',
      comment: `${room}/ may import only: ${allowed.length === 0 ? 'nothing' : allowed.join(', ')}. Instead: ${doors[room]}`,
      from: { path: `^${room}/` },
      to: { path: allRooms, pathNot: [`^${room}/`, '^native/', ...allowed.map((path) => `^${path}`)] },
    })),
    {
      name: 'native-from-io-only',
      severity: 'error',
      comment: 'native/index.ts leads to the binary, so only files in io/ import it. Return an Output and let an io/ file perform it.',
      from: { path: product, pathNot: '(/io/|^native/)' },
      to: { path: '^native/' },
    },
    {
      name: 'native-imports-no-room',
      severity: 'error',
      comment: 'native/ wraps system calls and knows no room: the wrapper with meaning is an io/ file.',
      from: { path: '^native/' },
      to: { path: allRooms, pathNot: '^native/' },
    },
    {
      name: 'io-from-the-shell-only',
      severity: 'error',
      comment: 'The core is pure: it gets an Input and returns Outputs. Let the daemon or another io/ file call the io/ file.',
      from: { path: product, pathNot: shell },
      to: { path: '/io/' },
    },
    {
      name: 'no-node-built-ins-in-the-core',
      severity: 'error',
      comment: 'No Node built-in outside io/ and the doors: take bytes, text, time and randomness as arguments.',
      from: { path: product, pathNot: shell },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'product-knows-no-tests',
      severity: 'error',
      comment: 'Code that both need belongs into a room; tests, benchmarks and scripts import rooms, never the reverse.',
      from: { path: product },
      to: { path: '^(test|bench|scripts)/' },
    },
    ...Object.entries(importers).map(([name, file]) => ({
      name: `one-importer-${name.replace(/\W/g, '-')}`,
      severity: 'error',
      comment: `Only ${file.replace(/[\\^$]/g, '')} imports ${name}; use what that file exports.`,
      from: { path: product, pathNot: file },
      to: { path: `(^|/)node_modules/${name.replace(/\./g, '\\.')}/|^${name.replace(/\./g, '\\.')}$` },
    })),
    {
      name: 'only-chosen-packages',
      severity: 'error',
      comment: 'A new third-party package needs a line in docs/decisions/dependencies.md and, in .dependency-cruiser.cjs, the one file that imports it.',
      from: { path: product },
      to: {
        path: '(^|/)node_modules/',
        pathNot: [...Object.keys(importers).map((name) => `(^|/)node_modules/${name.replace(/\./g, '\\.')}/`), '(^|/)node_modules/@types/node/'],
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|coverage)' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'], extensions: ['.ts', '.js', '.mjs', '.cjs', '.json', '.d.ts'] },
    reporterOptions: { text: { highlightFocused: false } },
  },
};
