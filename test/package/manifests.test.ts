import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { parseConfig } from '../../config/parse.ts';
import { must, run } from '../../src/demo/processes.ts';

// What kubectl (kustomize) and helm make of deploy/: the same for both, valid for the Kubernetes API, and without a field that it does not know.

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly [key: string]: any;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const module = (await import(new URL('../../scripts/setup/cluster-tools.mjs', import.meta.url).href)) as {
  provideClusterTools: (root: string) => Promise<{ folder: string; helm: string; kubectl: string; dockerfilelint: string }>;
};
const chart = join(root, 'deploy/helm/landfall');
/** Where the API has each kind; OpenShift's own is in none of its schemas. */
const groups: Readonly<Record<string, string>> = { Namespace: 'v1', ServiceAccount: 'v1', ConfigMap: 'v1', Service: 'v1', DaemonSet: 'apps/v1',
  ClusterRole: 'rbac.authorization.k8s.io/v1', ClusterRoleBinding: 'rbac.authorization.k8s.io/v1', Role: 'rbac.authorization.k8s.io/v1', RoleBinding: 'rbac.authorization.k8s.io/v1' };
const cases = [
  { folder: 'base', values: '' },
  { folder: 'overlays/metrics', values: ',metrics.enabled=true' },
  { folder: 'overlays/kernel', values: ',kernel.routes=received' },
  { folder: 'overlays/kubernetes', values: ',kubernetes.enabled=true' },
  { folder: 'overlays/openshift', values: ',openshift.enabled=true' },
];

describe('the manifests', function () {
  this.timeout(600_000);
  let tools: Awaited<ReturnType<typeof module.provideClusterTools>>;
  before(async () => {
    tools = await module.provideClusterTools(root);
  });

  const read = (text: string): Manifest[] => parseAllDocuments(text, { version: '1.1' }).map((document) => {
    assert.deepEqual([...document.errors, ...document.warnings], []);
    return document.toJS() as Manifest | null;
  }).filter((manifest) => manifest !== null);
  const kustomize = async (folder: string): Promise<Manifest[]> => read(await must([tools.kubectl, 'kustomize', join(root, 'deploy/kustomize', folder)]));
  const helm = async (values: string): Promise<Manifest[]> =>
    read(await must([tools.helm, 'template', 'landfall', chart, '-n', 'landfall-system', '--set', `createNamespace=true${values}`]));
  const sorted = (manifests: readonly Manifest[]): Manifest[] => [...manifests].sort((a, b) => (`${a.kind} ${a.metadata.name}` < `${b.kind} ${b.metadata.name}` ? -1 : 1));

  async function validate(manifest: Manifest): Promise<void> {
    const group = groups[manifest.kind];
    if (group === undefined) return;
    const models = (await import(pathToFileURL(join(tools.folder, 'node_modules/kubernetes-models', group, 'index.js')).href)) as Record<string, new (data: object) => { validate(): void }>;
    const Model = models[manifest.kind];
    assert.ok(Model !== undefined, manifest.kind);
    new Model(manifest).validate();
  }

  /** The validator lets unknown fields pass; the API's types, on a literal, do not. @returns what the compiler says */
  async function unknownFields(manifests: readonly Manifest[]): Promise<string> {
    const literals = manifests.filter(({ kind }) => groups[kind] !== undefined).map((manifest, i) =>
      `import type { I${manifest.kind} as T${i} } from 'kubernetes-models/${groups[manifest.kind]}';\nexport const a${i}: T${i} = ${JSON.stringify(manifest)};`);
    const file = join(tools.folder, 'manifests.ts');
    writeFileSync(file, literals.join('\n'));
    const done = await run([process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2022', '--ignoreConfig', file], { timeoutMs: 300_000 });
    rmSync(file);
    return done.stdout;
  }

  it('give the Dockerfile to a linter, which finds fault with another and none with it', async () => {
    const lint = (file: string): ReturnType<typeof run> => run([process.execPath, tools.dockerfilelint, file]);
    const bad = join(tools.folder, 'Dockerfile.bad');
    writeFileSync(bad, 'FROM debian\nRUN apt-get install gcc\n');
    assert.notEqual((await lint(bad)).status, 0);
    const good = await lint(join(root, 'deploy/Dockerfile'));
    assert.equal(good.status, 0, good.stdout + good.stderr);
  });

  it('passes the chart to helm lint', async () => {
    assert.match(await must([tools.helm, 'lint', '--strict', chart]), /0 chart\(s\) failed/);
  });

  for (const { folder, values } of cases) {
    it(`${folder}: valid, and the same from kustomize and helm`, async () => {
      const made = sorted(await kustomize(folder));
      for (const manifest of made) await validate(manifest);
      const ofHelm = sorted(await helm(values));
      for (const manifest of ofHelm) {
        await validate(manifest);
        if (manifest.kind === 'DaemonSet') delete manifest['spec'].template.spec.containers[0].imagePullPolicy;   // the default, said
      }
      assert.deepEqual(ofHelm, made);
    });
  }

  it('takes an off without quotes, which YAML makes false, for off', async () => {
    assert.deepEqual(await helm(',kernel.routes=false,openshift.enabled=true'), await helm(',openshift.enabled=true'));
  });

  it('has no field that the API does not know', async () => {
    const all = (await Promise.all(cases.map(({ folder }) => kustomize(folder)))).flat();
    assert.equal(await unknownFields(all), '');
  });

  it('would notice a wrong value and an unknown field', async () => {
    const daemonSet = (await kustomize('base')).find(({ kind }) => kind === 'DaemonSet') as Manifest;
    const wrong = structuredClone(daemonSet);
    wrong['spec'].template.spec.containers[0].securityContext.runAsUser = 'root';
    await assert.rejects(validate(wrong), /runAsUser must be integer/);
    const unknown = structuredClone(daemonSet);
    unknown['spec'].template.spec.hostNetworking = true;
    assert.match(await unknownFields([unknown]), /hostNetworking/);
  });

  it('names the capabilities that the configuration of each needs, and configurations that pass the check', async () => {
    for (const { folder } of cases) {
      const made = await kustomize(folder);
      const container = made.find(({ kind }) => kind === 'DaemonSet')?.['spec'].template.spec.containers[0];
      const environment: Record<string, string> = { NODE_NAME: 'hv-07', NODE_IP: '192.0.2.17' };
      for (const { name, value } of container.env as { name: string; value?: string }[]) if (value !== undefined) environment[name] = value.replace('$(NODE_IP)', '192.0.2.17');
      const { config, errors } = parseConfig(made.find(({ kind }) => kind === 'ConfigMap')?.['data']['landfall.yaml'] as string, { environment, hostName: 'hv-07' });
      assert.deepEqual(errors, []);
      assert.deepEqual(container.securityContext.capabilities, { drop: ['ALL'], add: config?.kernel.routes === 'off' ? ['NET_RAW'] : ['NET_RAW', 'NET_ADMIN'] });
      const pod = made.find(({ kind }) => kind === 'DaemonSet')?.['spec'].template.spec;
      assert.deepEqual([config?.kubernetes.enabled, pod.automountServiceAccountToken, made.some(({ kind }) => kind === 'ClusterRole')], Array(3).fill(folder === 'overlays/kubernetes'), 'a token only where it is used');
      assert.equal(config?.kernel.routes, folder === 'overlays/kernel' ? 'received' : 'off');
    }
  });
});
