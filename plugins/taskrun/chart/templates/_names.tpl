{{/* Names, labels and references that several templates share. The configuration of the proxy is in _configuration.tpl. */}}

{{- define "plugboard.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "plugboard.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "plugboard.selectorLabels" -}}
app.kubernetes.io/name: {{ include "plugboard.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "plugboard.labels" -}}
{{ include "plugboard.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "plugboard.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "plugboard.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "plugboard.image" -}}
{{- $repository := required "image.repository: no image is published; name one, such as docker.io/library/node" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (required "image.tag or image.digest is needed" .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "plugboard.webhookName" -}}
{{ include "plugboard.fullname" . }}-webhook
{{- end -}}

{{- define "plugboard.certificateSecret" -}}
{{- default (printf "%s-tls" (include "plugboard.webhookName" .)) .Values.webhook.certificate.secretName -}}
{{- end -}}

{{/* A request of the kubelet: it names the pod's address as host, which the proxy does not serve. */}}
{{- define "plugboard.probe" -}}
path: {{ index . 1 }}
port: http
httpHeaders:
  - name: Host
    value: {{ include "plugboard.fullname" (index . 0) }}
{{- end -}}
