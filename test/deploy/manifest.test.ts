import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parse, parseAllDocuments } from 'yaml';
import { parseConfig } from '../../config/parse.ts';

interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  spec?: any;
}

const read = (path: string): string => readFileSync(new URL(`../../deploy/${path}`, import.meta.url), 'utf8');
const base = ['namespace', 'serviceaccount', 'daemonset'].map((name) => read(`kustomize/base/${name}.yaml`)).join('---\n');

describe('deploy/kustomize/base', () => {
  const documents = parseAllDocuments(base);
  const manifests = documents.map((document) => document.toJS() as Manifest);
  const find = (kind: string): Manifest => {
    const found = manifests.filter((manifest) => manifest.kind === kind);
    assert.equal(found.length, 1, `${kind} stands ${found.length} times`);
    return found[0]!;
  };
  const pod = find('DaemonSet').spec.template.spec;
  const container = pod.containers[0];

  it('is YAML without errors or warnings', () => {
    for (const document of documents) assert.deepEqual([...document.errors, ...document.warnings], []);
  });

  it('runs as uid 0 with NET_RAW and no other capability', () => {
    assert.equal(pod.containers.length, 1);
    assert.deepEqual(container.securityContext.capabilities, { drop: ['ALL'], add: ['NET_RAW'] });
    assert.equal(container.securityContext.runAsUser, 0);
    assert.equal(container.securityContext.allowPrivilegeEscalation, false);
    assert.equal(container.securityContext.privileged, false);
    assert.equal(container.securityContext.readOnlyRootFilesystem, true);
  });

  it('lives in the network of the node, before and after all else there', () => {
    assert.equal(pod.hostNetwork, true);
    assert.equal(pod.dnsPolicy, 'ClusterFirstWithHostNet');
    assert.equal(pod.priorityClassName, 'system-node-critical');
    assert.deepEqual(pod.tolerations, [{ operator: 'Exists', effect: 'NoSchedule' }, { operator: 'Exists', effect: 'NoExecute' }]);
    assert.deepEqual(find('DaemonSet').spec.updateStrategy.rollingUpdate, { maxUnavailable: 1 });
  });

  it('mounts no token, and the configuration as a folder', () => {
    assert.equal(pod.automountServiceAccountToken, false);
    assert.equal(find('ServiceAccount').metadata.namespace, find('DaemonSet').metadata.namespace);
    const mount = container.volumeMounts.find((one: { name: string }) => one.name === 'config');
    assert.deepEqual(mount, { name: 'config', mountPath: '/etc/landfall', readOnly: true });
  });

  it('names the node and requests resources without a CPU limit', () => {
    const name = container.env.find((one: { name: string }) => one.name === 'NODE_NAME');
    assert.equal(name.valueFrom.fieldRef.fieldPath, 'spec.nodeName');
    assert.ok(container.resources.requests.cpu !== undefined && container.resources.requests.memory !== undefined);
    assert.equal(container.resources.limits.cpu, undefined);
  });

  it('is asked for its health where telemetry.listen is by default', () => {
    const { config } = parseConfig(read('kustomize/base/landfall.yaml'), { file: 'landfall.yaml', environment: { NODE_NAME: 'hv-1' }, hostName: 'hv-1' });
    const { address, port } = config!.telemetry.listen!;
    for (const [probe, path] of [['startupProbe', '/healthz'], ['livenessProbe', '/healthz'], ['readinessProbe', '/readyz']] as const) {
      assert.deepEqual(container[probe].httpGet, { host: address, port, path }, probe);
    }
  });

  it('names only volumes that exist', () => {
    const volumes = new Set(pod.volumes.map((one: { name: string }) => one.name));
    for (const { name } of container.volumeMounts) assert.ok(volumes.has(name), name);
  });

  it('lists these files, and one ConfigMap that keeps its name', () => {
    const list = parse(read('kustomize/base/kustomization.yaml'));
    assert.deepEqual(list.resources, ['namespace.yaml', 'serviceaccount.yaml', 'daemonset.yaml']);
    assert.deepEqual(list.configMapGenerator, [{ name: 'landfall', namespace: 'landfall-system', files: ['landfall.yaml'], options: { disableNameSuffixHash: true } }]);
  });

  it('lets the daemon watch Nodes and create Events, and nothing else', () => {
    const rules = parseAllDocuments(read('kustomize/components/kubernetes/rbac.yaml')).map((document) => document.toJS() as Manifest & { rules?: unknown; subjects?: { kind: string; name: string }[]; roleRef?: { name: string } });
    const of = (name: string): unknown => rules.find(({ kind, metadata }) => /Role$/.test(kind) && metadata.name === name)?.rules;
    const bound = rules.filter(({ subjects }) => subjects?.some(({ name }) => name === 'landfall')).map(({ roleRef }) => roleRef?.name);
    assert.deepEqual(bound.sort(), ['landfall', 'landfall-events']);
    assert.deepEqual(of('landfall'), [{ apiGroups: [''], resources: ['nodes'], verbs: ['get', 'watch'] }]);
    assert.deepEqual(of('landfall-events'), [{ apiGroups: [''], resources: ['events'], verbs: ['create'] }]);
  });

  it("gives the chart the same configuration", () => assert.equal(parse(read('helm/landfall/values.yaml')).config, read('kustomize/base/landfall.yaml')));
});
