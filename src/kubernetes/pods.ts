/** The pod whose speaker is asked for one node. */
export interface SpeakerPod {
  readonly node: string;
  readonly pod: string;
  /** Of its telemetry. */
  readonly port: number;
}

/** Where telemetry listens unless a container port named `metrics` says otherwise. */
const usualPort = 17479;
const namePattern = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** The request for the speakers of a namespace, or for that of one node. */
export function podsPath(namespace: string, node: string | undefined): string {
  const query = new URLSearchParams({ labelSelector: 'app.kubernetes.io/name=landfall', ...(node === undefined ? {} : { fieldSelector: `spec.nodeName=${node}` }) });
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods?${query.toString()}`;
}

/** The request to one speaker's read-only API by way of the API server. @param path with its query, `/v1/peers` */
export function proxyPath(namespace: string, { pod, port }: SpeakerPod, path: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${pod}:${port}/proxy/api${path}`;
}

/** One running pod a node, by the names of the nodes; undefined where the text is no list of pods. */
export function speakerPods(list: unknown): SpeakerPod[] | undefined {
  const { items } = asRecord(list);
  if (!Array.isArray(items)) return undefined;
  const found = new Map<string, SpeakerPod>();
  for (const item of items) {
    const { metadata, spec, status } = asRecord(item);
    const [{ name }, { nodeName, containers }, { phase }] = [asRecord(metadata), asRecord(spec), asRecord(status)];
    if (typeof name !== 'string' || typeof nodeName !== 'string' || !namePattern.test(name) || phase !== 'Running' || found.has(nodeName)) continue;
    found.set(nodeName, { node: nodeName, pod: name, port: metricsPort(containers) });
  }
  return [...found.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
}

function metricsPort(containers: unknown): number {
  for (const container of Array.isArray(containers) ? containers : []) {
    const { ports } = asRecord(container);
    for (const port of Array.isArray(ports) ? ports : []) {
      const { name, containerPort } = asRecord(port);
      if (name === 'metrics' && typeof containerPort === 'number' && Number.isInteger(containerPort) && containerPort > 0 && containerPort < 65536) return containerPort;
    }
  }
  return usualPort;
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
