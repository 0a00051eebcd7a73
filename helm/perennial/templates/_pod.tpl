{{/*
What all pods have. Of (dict "root" $ "settings" WHERE), where the settings are those of `defaults`. Service links
are off: for a release named `perennial` they would make variables PERENNIAL_*, which the program reads.
*/}}
{{- define "perennial.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  {{- if not (kindIs "invalid" .root.Values.user) }}
  runAsUser: {{ .root.Values.user | int64 }}
  runAsGroup: {{ .root.Values.user | int64 }}
  fsGroup: {{ .root.Values.user | int64 }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .settings.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .settings.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What all containers have. Of (dict "root" $ "resources" WHAT). */}}
{{- define "perennial.container" -}}
image: {{ include "perennial.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
resources: {{- toYaml .resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* The container of a server and its volumes. Of (dict "root" $ "component" NAME "workload" SETTINGS). */}}
{{- define "perennial.server" -}}
containers:
  - name: perennial
    {{- include "perennial.container" (dict "root" .root "resources" .workload.resources) | nindent 4 }}
    args: {{ concat (list "serve") .workload.roles | toJson }}
    ports:
      - name: grpc
        containerPort: 50051
      # Kubelets cannot do TLS: health has a port of its own.
      - name: ops
        containerPort: 9464
    env: {{- include "perennial.env" . | nindent 6 }}
    # As long as migrating SQLite may take; on PostgreSQL a process starts at once or not at all.
    startupProbe:
      grpc:
        port: 9464
      periodSeconds: 2
      timeoutSeconds: 2
      failureThreshold: 150
    readinessProbe:
      grpc:
        port: 9464
      periodSeconds: 5
      timeoutSeconds: 3
      failureThreshold: 2
    livenessProbe:
      grpc:
        port: 9464
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    {{- with include "perennial.mounts" . }}
    volumeMounts: {{- . | trim | nindent 6 }}
    {{- end }}
{{- with include "perennial.volumes" . }}
volumes: {{- . | trim | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The whole pod of a server. Of (dict "root" $ "component" NAME "workload" SETTINGS). */}}
{{- define "perennial.serverPod" -}}
metadata:
  labels:
    {{- include "perennial.labels" . | nindent 4 }}
    {{- with .workload.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # Files of channels are read when a process starts.
    checksum/channels: {{ include "perennial.channels" .root | sha256sum }}
    {{- with .workload.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "perennial.serviceAccount" . }}
  terminationGracePeriodSeconds: {{ include "perennial.gracePeriod" .workload }}
  {{- include "perennial.pod" (dict "root" .root "settings" .workload) | nindent 2 }}
  {{- if gt (len .workload.roles) 0 }}
  {{- include "perennial.spread" . | nindent 2 }}
  {{- end }}
  {{- include "perennial.server" . | trim | nindent 2 }}
{{- end -}}

{{/* Of (dict "root" $ "component" NAME "workload" SETTINGS): where its pods go, each revision by itself. */}}
{{- define "perennial.spread" -}}
{{- $spread := .workload.topologySpread -}}
{{- if or $spread.zone $spread.node -}}
topologySpreadConstraints:
  {{- range $key, $unsatisfiable := dict "topology.kubernetes.io/zone" $spread.zone "kubernetes.io/hostname" $spread.node }}
  {{- if $unsatisfiable }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: {{ $unsatisfiable }}
    labelSelector:
      matchLabels: {{- include "perennial.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* A container that runs a command and ends. Of (dict "root" $ "name" NAME "args" WORDS "env" TEXT "mounts" TEXT). */}}
{{- define "perennial.command" -}}
name: {{ .name }}
{{ include "perennial.container" (dict "root" .root "resources" .root.Values.jobs.resources) }}
args: {{ toJson .args }}
{{- with .env }}
env: {{- . | trim | nindent 2 }}
{{- end }}
{{- with .mounts }}
volumeMounts: {{- . | nindent 2 }}
{{- end }}
{{- end -}}
