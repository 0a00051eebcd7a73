{{/* Names are cut where the longest suffix still fits into 63 letters. */}}
{{- define "perennial.fullname" -}}
{{- $name := .Release.Name -}}
{{- if not (contains .Chart.Name $name) -}}
{{- $name = printf "%s-%s" $name .Chart.Name -}}
{{- end -}}
{{- .Values.fullnameOverride | default $name | trunc 43 | trimSuffix "-" -}}
{{- end -}}

{{/* Of (dict "root" $ "component" NAME): the name of what belongs to a component. */}}
{{- define "perennial.name" -}}
{{- printf "%s-%s" (include "perennial.fullname" .root) .component -}}
{{- end -}}

{{/* Of (dict "root" $ "component" NAME): which pods are meant. Never changes: selectors are immutable. */}}
{{- define "perennial.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "perennial.labels" -}}
{{ include "perennial.selector" . }}
app.kubernetes.io/part-of: perennial
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "perennial.image" -}}
{{- $repository := required "image.repository is needed: build the Dockerfile and say where the image is" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Refuses what the program would refuse, before it is installed. */}}
{{- define "perennial.secured" -}}
{{- if .Values.insecure -}}
{{- if or .Values.tls.enabled .Values.identity.issuer -}}
{{- fail "insecure contradicts tls and identity" -}}
{{- end -}}
{{- else if not (or .Values.tls.enabled (and .Values.identity.issuer (eq .Values.mode "all-in-one"))) -}}
{{- fail "say by what callers are known: tls.enabled (all in one: or identity.issuer), or insecure=true for everybody" -}}
{{- end -}}
{{- if and .Values.identity.issuer (not .Values.identity.audience) -}}
{{- fail "identity.audience is needed with identity.issuer" -}}
{{- end -}}
{{- if and .Values.identity.keys .Values.identity.keysConfigMap.name -}}
{{- fail "identity.keys contradicts identity.keysConfigMap" -}}
{{- end -}}
{{- end -}}

{{/* Of (dict "root" $ "component" NAME): where a component is called. */}}
{{- define "perennial.address" -}}
{{- printf "%s://%s:50051" (ternary "https" "http" .root.Values.tls.enabled) (include "perennial.name" .) -}}
{{- end -}}

{{/* Which service calls which: the only arrows inside the suite. */}}
{{- define "perennial.calls" -}}
catalog: []
renewal: [catalog, wallet]
wallet: []
scheduler: [renewal, wallet]
{{- end -}}

{{/*
What runs, as JSON: name to settings. `roles` are the words after `serve` (none: all of them on SQLite),
`runs` the services in it.
*/}}
{{- define "perennial.workloads" -}}
{{- include "perennial.secured" . -}}
{{- $workloads := dict -}}
{{- if eq .Values.mode "all-in-one" -}}
{{- $fixed := dict "replicas" 1 "autoscaling" (dict "enabled" false) "roles" list "runs" (keys .Values.services | sortAlpha) -}}
{{- $_ := set $workloads "suite" (mustMergeOverwrite (deepCopy .Values.defaults) (deepCopy .Values.allInOne) $fixed) -}}
{{- else -}}
{{- range $name, $own := .Values.services -}}
{{- $service := mustMergeOverwrite (deepCopy $.Values.defaults) (deepCopy $own) -}}
{{- $_ := set $workloads $name (mustMergeOverwrite $service (dict "roles" (list $name) "runs" (list $name))) -}}
{{- end -}}
{{- end -}}
{{- toJson $workloads -}}
{{- end -}}

{{/* The longest that a pod takes to stop: it looks away, finishes requests, and finishes what those asked of the suite in its own process. */}}
{{- define "perennial.gracePeriod" -}}
{{- add .drainSeconds (mul 2 .requestTimeoutSeconds) 5 -}}
{{- end -}}

{{/* Of (dict "root" $ "component" NAME "workload" SETTINGS): the ServiceAccount of a workload. */}}
{{- define "perennial.serviceAccount" -}}
{{- .workload.serviceAccount.name | default (include "perennial.name" .) -}}
{{- end -}}
