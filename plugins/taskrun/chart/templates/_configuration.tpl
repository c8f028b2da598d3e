{{/* The configuration file of the proxy: what the chart knows, and the value `config` over it. */}}

{{- define "plugboard.configuration" -}}
{{- $name := include "plugboard.fullname" . -}}
{{- $space := .Release.Namespace -}}
{{- $hosts := list $name (printf "%s.%s" $name $space) (printf "%s.%s.svc" $name $space) (printf "%s.%s.svc.cluster.local" $name $space) "localhost" -}}
{{- $http := dict "host" "0.0.0.0" "port" 8807 "allowedHosts" (concat $hosts .Values.allowedHosts) -}}
{{- $source := dict -}}
{{- if .Values.watchNamespace -}}{{- $_ := set $source "namespace" .Values.watchNamespace -}}{{- end -}}
{{- $url := printf "http://%s.%s.svc:%d/mcp" $name $space (int .Values.service.port) -}}
{{- $taskrun := dict "kubernetes" $source "url" $url "workspaces" "/var/lib/plugboard/workspaces" -}}
{{- if .Values.webhook.enabled -}}
{{- $webhook := dict "port" (int .Values.webhook.port) "unknownTask" .Values.webhook.unknownTask "certFile" "/etc/plugboard-webhook/tls.crt" "keyFile" "/etc/plugboard-webhook/tls.key" -}}
{{- $_ := set $taskrun "webhook" $webhook -}}
{{- end -}}
{{- $rendering := dict "serviceUrl" $url "proxyNamespace" $space "proxyLabels" (include "plugboard.selectorLabels" . | fromYaml) -}}
{{- $_ := set $taskrun "rendering" (mergeOverwrite $rendering (deepCopy .Values.rendering)) -}}
{{- $store := dict "path" "/var/lib/plugboard/store" -}}
{{- $memory := dict "path" "/var/lib/plugboard/memory" -}}
{{- /* The client of Kubernetes takes seconds to load where CPU is scarce. */ -}}
{{- $made := dict "limits" (dict "applyTimeout" 60000) "plugins" (dict "http" $http "store-lowdb" $store "memory" $memory "taskrun" $taskrun) -}}
{{- if .Values.management.enabled -}}
{{- $token := dict "name" "chart" "role" "admin" "token" "${env:PLUGBOARD_ADMIN_TOKEN}" -}}
{{- $admin := dict "host" "0.0.0.0" "port" (int .Values.management.port) "allowedHosts" $hosts "docs" "viewer" "localCredential" false "tokens" (list $token) -}}
{{- $_ := set $made.plugins "admin" $admin -}}
{{- end -}}
{{- mergeOverwrite $made (deepCopy .Values.config) | toYaml -}}
{{- end -}}
