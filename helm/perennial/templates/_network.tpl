{{/* Of (dict "peers" LIST "ports" PORTS): one rule of egress; to any address where nobody is named. */}}
{{- define "perennial.to" }}
- ports:
  {{- range .ports }}
    - port: {{ int64 . }}
      protocol: TCP
  {{- end }}
  {{- with .peers }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Of the root: name resolution. */}}
{{- define "perennial.toDns" }}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
  {{- with .Values.networkPolicy.dns }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Of the root: the databases. */}}
{{- define "perennial.toDatabases" }}
{{- include "perennial.to" (dict "peers" .Values.postgresql.peers "ports" (list .Values.postgresql.port)) }}
{{- end -}}

{{/* Of (dict "root" $ "component" NAME "from" COMPONENTS "clients" PEERS "scrapers" PEERS "egress" TEXT): a whole policy. */}}
{{- define "perennial.policy" -}}
spec:
  podSelector:
    matchLabels: {{- include "perennial.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- if or .from .clients }}
  ingress:
    - ports:
        - port: 50051
          protocol: TCP
      from:
        {{- range .from }}
        - podSelector:
            matchLabels: {{- include "perennial.selector" (dict "root" $.root "component" .) | nindent 14 }}
        {{- end }}
        {{- with .clients }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with .scrapers }}
    - ports:
        - port: 9464
          protocol: TCP
      from: {{- toYaml . | nindent 8 }}
    {{- end }}
  {{- else }}
  ingress: []
  {{- end }}
  egress:
    {{- include "perennial.toDns" .root | trim | nindent 4 }}
    {{- with .egress }}
    {{- . | trim | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Of (dict "root" $ "components" NAMES): servers of the suite. */}}
{{- define "perennial.toServers" }}
- ports:
    - port: 50051
      protocol: TCP
  to:
    {{- range .components }}
    - podSelector:
        matchLabels: {{- include "perennial.selector" (dict "root" $.root "component" .) | nindent 10 }}
    {{- end }}
{{- end -}}

{{/* What a workload may reach besides names. Of (dict "root" $ "workload" SETTINGS). */}}
{{- define "perennial.egress" -}}
{{- $values := .root.Values -}}
{{- $calls := include "perennial.calls" . | fromYaml -}}
{{- if .workload.roles }}
{{- include "perennial.toDatabases" .root }}
{{- range .workload.roles }}
{{- with get $calls . }}
{{- include "perennial.toServers" (dict "root" $.root "components" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- with $values.telemetry }}
{{- if .otlpEndpoint }}
{{- include "perennial.to" (dict "peers" .peers "ports" (list (regexFind "[0-9]+$" .otlpEndpoint))) }}
{{- end }}
{{- end }}
{{- with $values.identity }}
{{- range (ternary (list .issuer .keys | compact | uniq) list (empty .keysConfigMap.name)) }}
{{- $port := regexFind ":[0-9]+$" (urlParse .).host | trimPrefix ":" | default "443" }}
{{- include "perennial.to" (dict "peers" $values.identity.peers "ports" (list $port)) }}
{{- end }}
{{- end }}
{{- if has "renewal" .workload.runs }}
{{- with $values.networkPolicy.webhooks }}
{{- if .peers }}
{{- include "perennial.to" . }}
{{- end }}
{{- end }}
{{- with $values.nats }}
{{- if .url }}
{{- include "perennial.to" (dict "peers" .peers "ports" (list (regexFind "[0-9]+$" .url))) }}
{{- end }}
{{- end }}
{{- range $values.networkPolicy.consoles }}
{{- include "perennial.to" (dict "peers" .peers "ports" (list .port)) }}
{{- end }}
{{- end }}
{{- end -}}
