// Whom the API server takes the proxy for: a kubeconfig, or the service account of its pod. Requests are made in `cluster.ts`.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';

/** Where Kubernetes puts the token of a pod's service account. */
const serviceAccountToken = '/var/run/secrets/kubernetes.io/serviceaccount/token';

export interface CredentialOptions {
  /** Path of a kubeconfig. Default: the service account of the pod, else `KUBECONFIG`, else `~/.kube/config`. */
  readonly kubeconfig?: string | undefined;
  /** Root of the folder that Kubernetes mounts into pods. Default: that of the file system. */
  readonly podRoot?: string | undefined;
}

/** Reads the credentials. Throws an Error that says which file is wrong, or what to configure. */
export function loadCredentials({ kubeconfig, podRoot = '' }: CredentialOptions): KubeConfig {
  const config = new KubeConfig();
  const inPod = process.env['KUBERNETES_SERVICE_HOST'] !== undefined && existsSync(podRoot + serviceAccountToken);
  if (kubeconfig === undefined && inPod) config.loadFromCluster(podRoot);
  else for (const file of kubeconfig === undefined ? usualFiles() : [kubeconfig]) mergeFile(config, file);
  const server = config.getCurrentCluster()?.server;
  if (server === undefined || !URL.canParse(server)) {
    throw new Error(
      'the kubeconfig has no current context with the URL of a server; see `kubectl config current-context`',
    );
  }
  return config;
}

function mergeFile(config: KubeConfig, file: string): void {
  const one = new KubeConfig();
  try {
    one.loadFromFile(file);
  } catch (error) {
    throw new Error(`the kubeconfig ${file} is not readable: ${(error as Error).message}`, { cause: error });
  }
  if (config.getCurrentCluster() === null) config.loadFromOptions(one);
  else config.mergeConfig(one, true);
}

function usualFiles(): string[] {
  const named = process.env['KUBECONFIG'] ?? '';
  const files = named === '' ? [path.join(homedir(), '.kube', 'config')] : named.split(path.delimiter).filter(Boolean);
  if (!files.some((file) => existsSync(file))) {
    throw new Error(
      'there are no credentials for Kubernetes: set `kubernetes.kubeconfig`, or run in a pod with a service account',
    );
  }
  return files.filter((file) => existsSync(file));
}
