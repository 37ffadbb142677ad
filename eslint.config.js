import tseslint from 'typescript-eslint';

// Files that may touch the world (ARCHITECTURE: core and shell): the io/ folders, the doors, the one loader of the native module, and what is no product code.
const shell = [
  '**/io/**',
  'native/**',
  'src/cli.ts',
  'src/commands/**',
  'src/daemon.ts',
  'src/daemon/**',
  'src/log.ts',
  'src/demo/**',
  'src/probe/**',
  'test/**',
  'bench/**',
  'fuzz/**',
  'scripts/**',
  '*.js',
  '*.cjs',
];

const instead = {
  Date: 'Take `now: Now` as an argument; only src/io/clock.ts reads a clock.',
  performance: 'Take `now: Now` as an argument; only src/io/clock.ts reads a clock.',
  setTimeout: 'Keep a deadline in the state and report it in nextDeadline(); the daemon has the only alarm.',
  setInterval: 'Keep a deadline in the state and report it in nextDeadline(); the daemon has the only alarm.',
  setImmediate: 'Do it in the same pass: a frame becomes bytes without a queue.',
  queueMicrotask: 'Do it in the same pass: a frame becomes bytes without a queue.',
  process: 'Environment, arguments and signals come in as arguments from a door (src/cli.ts, src/daemon.ts).',
  console: 'Return a Note; src/log.ts alone writes.',
  fetch: 'Return an Output; an io/ file performs it.',
};

export default tseslint.config(
  { ignores: ['dist*/', 'node_modules/', 'native/build/', 'coverage/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: 'error',
      'no-constant-condition': ['error', { checkLoops: false }],
      'no-duplicate-case': 'error',
      'no-empty': 'error',
      'no-fallthrough': 'error',
      'no-self-compare': 'error',
      'no-unreachable': 'error',
      'no-unsafe-finally': 'error',
      'prefer-const': 'error',
      'no-console': 'off',
      'no-control-regex': 'off', // control characters are what the escaping of untrusted text looks for
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true, allowNullish: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' }],
      '@typescript-eslint/unbound-method': 'off', // our interfaces are plain objects of functions
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/require-await': 'off', // an interface may be asynchronous where one implementation is not
    },
  },
  {
    files: ['**/*.ts'],
    ignores: shell,
    rules: {
      'no-restricted-globals': ['error', ...Object.entries(instead).map(([name, message]) => ({ name, message }))],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Randomness is an argument: take it from the caller.' },
        ...['Date', 'process', 'console', 'setTimeout', 'setInterval'].map((property) => ({ object: 'globalThis', property, message: instead[property] })),
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'fuzz/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: [{ from: 'package', name: ['describe', 'it'], package: 'mocha' }] }],
      '@typescript-eslint/no-unsafe-assignment': 'off', // JSON of our own programs, taken apart by assertions
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
  {
    files: ['**/*.mjs', '**/*.js', '**/*.cjs'],
    languageOptions: {
      globals: Object.fromEntries(
        ['process', 'console', 'URL', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Buffer', 'module', 'require', '__dirname', 'performance'].map((name) => [name, 'readonly']),
      ),
    },
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
);
