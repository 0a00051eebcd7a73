{{/* The variables of a server. Of (dict "root" $ "component" NAME "workload" SETTINGS). */}}
{{- define "perennial.env" -}}
{{- $values := .root.Values -}}
{{- $calls := include "perennial.calls" . | fromYaml -}}
- name: PERENNIAL_LISTEN
  value: {{ printf "%s:50051" $values.listenAddress | quote }}
- name: PERENNIAL_OPS_LISTEN
  value: {{ printf "%s:9464" $values.listenAddress | quote }}
- name: PERENNIAL_REQUEST_TIMEOUT_SECONDS
  value: {{ .workload.requestTimeoutSeconds | int64 | quote }}
- name: PERENNIAL_DRAIN_SECONDS
  value: {{ .workload.drainSeconds | int64 | quote }}
- name: PERENNIAL_CONNECTION_SECONDS
  value: {{ .workload.connectionSeconds | int64 | quote }}
- name: PERENNIAL_LOG
  value: {{ .workload.log | quote }}
{{- include "perennial.identityEnv" . }}
{{- with $values.telemetry.otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: OTEL_SERVICE_NAME
  value: {{ printf "perennial-%s" $.component | quote }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ printf "service.namespace=%s,service.instance.id=$(POD_NAME),perennial.component=%s" $.root.Release.Namespace $.component | quote }}
{{- end }}
{{- if .workload.roles }}
{{- $peers := list }}
{{- range .workload.roles }}
{{- include "perennial.databaseEnv" (dict "service" . "database" $.workload.database) }}
{{- $peers = concat $peers (get $calls .) }}
{{- end }}
{{- include "perennial.caEnv" .root }}
{{- range $peers }}
- name: PERENNIAL_{{ upper . }}_ADDRESS
  value: {{ include "perennial.address" (dict "root" $.root "component" (print . "-headless")) }}
{{- end }}
{{- else }}
- name: PERENNIAL_DATA_DIR
  value: /var/lib/perennial
# Where SQLite sorts what does not fit into memory; nothing else can be written.
- name: SQLITE_TMPDIR
  value: /tmp
{{- end }}
{{- range .workload.runs }}
{{- include (printf "perennial.env.%s" .) (get $values.services .) }}
{{- end }}
{{- if and (has "renewal" .workload.runs) $values.nats.url }}
- name: PERENNIAL_NATS_URL
  value: {{ $values.nats.url | quote }}
{{- if $values.nats.credentialsSecret.name }}
- name: PERENNIAL_NATS_CREDENTIALS_FILE
  value: /etc/perennial/nats/nats.creds
{{- end }}
{{- if $values.nats.caSecret.name }}
- name: PERENNIAL_NATS_CA_FILE
  value: /etc/perennial/nats/ca.crt
{{- end }}
{{- end }}
{{- end -}}

{{- define "perennial.env.catalog" }}
- name: PERENNIAL_CATALOG_FOLLOW_SECONDS
  value: {{ .followSeconds | int64 | quote }}
{{- end -}}

{{- define "perennial.env.renewal" }}
- name: PERENNIAL_AUTO_ORDERS_PER_DAY
  value: {{ .autoOrdersPerDay | int64 | quote }}
- name: PERENNIAL_AUTO_AMOUNT_PER_DAY
  value: {{ .autoAmountPerDay | int64 | quote }}
- name: PERENNIAL_EVENT_RETENTION_DAYS
  value: {{ .eventRetentionDays | int64 | quote }}
- name: PERENNIAL_EVENT_WATCHERS
  value: {{ .eventWatchers | int64 | quote }}
- name: PERENNIAL_ALLOW_PRIVATE_WEBHOOKS
  value: {{ .webhooks.allowPrivate | quote }}
{{- if .webhooks.caSecret.name }}
- name: PERENNIAL_WEBHOOK_CA_FILE
  value: /etc/perennial/webhooks/ca.crt
{{- end }}
{{- end -}}

{{- define "perennial.env.wallet" }}
{{- if .channels }}
- name: PERENNIAL_WALLET_CHANNELS
  value: /etc/perennial/channels/channels.yaml
{{- end }}
{{- end -}}

{{- define "perennial.env.scheduler" }}
{{- $all := dict }}
{{- if hasKey .intervals "all" }}
{{- $all = dict "all" .intervals.all }}
{{- end }}
{{- $intervals := list }}
{{- /* Of several the last counts, so what is for all comes first. */}}
{{- range $part := list $all (omit .intervals "all") }}
{{- range $kind, $seconds := $part }}
{{- $intervals = append $intervals (printf "%s=%d" $kind (int64 $seconds)) }}
{{- end }}
{{- end }}
{{- with $intervals }}
- name: PERENNIAL_SCHEDULE_INTERVALS
  value: {{ join "," . | quote }}
{{- end }}
- name: PERENNIAL_SCHEDULE_PARTS
  value: {{ .parts | int64 | quote }}
- name: PERENNIAL_SCHEDULE_PAGES
  value: {{ .pages | int64 | quote }}
- name: PERENNIAL_SCHEDULE_RUNS_DAYS
  value: {{ .runsDays | int64 | quote }}
{{- end -}}

{{/* Of (dict "service" NAME "database" SETTINGS "migrates" BOOL): the variable with the URL of a database. */}}
{{- define "perennial.databaseEnv" }}
{{- $key := .database.secretKey }}
{{- if .migrates }}
{{- $key = .database.migrationSecretKey | default $key }}
{{- end }}
- name: PERENNIAL_{{ upper .service }}_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ required (printf "services.%s.database.secretName is needed" .service) .database.secretName }}
      key: {{ $key }}
{{- end -}}

{{/* By what callers are known, and what this process proves. Of (dict "root" $ "component" NAME "workload" SETTINGS). */}}
{{- define "perennial.identityEnv" }}
{{- $values := .root.Values }}
{{- if $values.insecure }}
- name: PERENNIAL_INSECURE
  value: "true"
{{- else }}
{{- if $values.tls.enabled }}
{{- include "perennial.tlsEnv" . }}
{{- $roles := list (printf "%s=platform" (include "perennial.certified" (dict "root" .root "component" "test"))) }}
{{- if .workload.roles }}
{{- range $caller, $called := include "perennial.calls" . | fromYaml }}
{{- if has $.component $called }}
{{- $roles = append $roles (printf "%s=service:%s" (include "perennial.certified" (dict "root" $.root "component" $caller)) $caller) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $role := $values.identity.certificateRoles }}
{{- $roles = append $roles (printf "%s=%s" $name $role) }}
{{- end }}
- name: PERENNIAL_CERTIFICATE_ROLES
  value: {{ join "," $roles | quote }}
{{- end }}
{{- with $values.identity }}
{{- if .issuer }}
- name: PERENNIAL_OIDC_ISSUER
  value: {{ .issuer | quote }}
- name: PERENNIAL_OIDC_AUDIENCE
  value: {{ .audience | quote }}
{{- with ternary .keys "/etc/perennial/issuer/keys.json" (empty .keysConfigMap.name) }}
- name: PERENNIAL_OIDC_KEYS
  value: {{ . | quote }}
{{- end }}
- name: PERENNIAL_OIDC_ROLES_CLAIM
  value: {{ .rolesClaim | quote }}
{{- $roles := list }}
{{- range $subject, $role := .subjectRoles }}
{{- $roles = append $roles (printf "%s=%s" $subject $role) }}
{{- end }}
{{- with $roles }}
- name: PERENNIAL_OIDC_SUBJECT_ROLES
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}
- name: PERENNIAL_CALLS_PER_SECOND
  value: {{ .callsPerSecond | int64 | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "perennial.tlsEnv" }}
- name: PERENNIAL_TLS_CERT_FILE
  value: /etc/perennial/tls/tls.crt
- name: PERENNIAL_TLS_KEY_FILE
  value: /etc/perennial/tls/tls.key
- name: PERENNIAL_TLS_CA_FILE
  value: /etc/perennial/tls/ca.crt
{{- end -}}

{{/* Of (dict "root" $ "component" NAME): the name that its certificate proves. */}}
{{- define "perennial.certified" -}}
{{- printf "%s.%s.svc" (include "perennial.name" .) .root.Release.Namespace -}}
{{- end -}}

{{- define "perennial.tlsMount" -}}
- name: tls
  mountPath: /etc/perennial/tls
  readOnly: true
{{- end -}}

{{/* Of (dict "root" $ "component" NAME "tlsSecret" NAME): the volume of a certificate. */}}
{{- define "perennial.tlsVolume" -}}
{{- $secret := .tlsSecret -}}
{{- if and (not $secret) .root.Values.tls.certManager.enabled -}}
{{- $secret = printf "%s-tls" (include "perennial.name" .) -}}
{{- end -}}
- name: tls
  secret:
    {{- $owner := get (dict "suite" "allInOne" "test" "jobs") .component | default (print "services." .component) }}
    secretName: {{ required (printf "%s.tlsSecret is needed, or tls.certManager.enabled" $owner) $secret }}
    defaultMode: 0440
{{- end -}}

{{/* Of the root: how PostgreSQL is known to be PostgreSQL. */}}
{{- define "perennial.caEnv" }}
{{- if .Values.postgresql.caSecret.name }}
- name: PGSSLMODE
  value: verify-full
- name: PGSSLROOTCERT
  value: /etc/perennial/postgresql/ca.crt
{{- end }}
{{- end -}}

{{- define "perennial.caMount" -}}
- name: postgresql-ca
  mountPath: /etc/perennial/postgresql
  readOnly: true
{{- end -}}

{{- define "perennial.caVolume" -}}
- name: postgresql-ca
  secret:
    secretName: {{ .Values.postgresql.caSecret.name }}
    defaultMode: 0440
    items:
      - key: {{ .Values.postgresql.caSecret.key }}
        path: ca.crt
{{- end -}}

{{/* The file of the payment channels; it says where secrets are, and has none. */}}
{{- define "perennial.channels" -}}
{{- with .Values.services.wallet.channels -}}
channels:
  {{- range . }}
  - name: {{ .name }}
    currencies: {{ toJson .currencies }}
    intent_minutes: {{ .intentMinutes | int64 }}
    secrets:
      {{- $name := .name }}
      {{- range $index, $_ := .secrets }}
      - file: {{ printf "%s-%d.secret" $name $index }}
      {{- end }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* Whether a workload publishes to a NATS that files are needed for. Of (dict "root" $ "workload" SETTINGS). */}}
{{- define "perennial.natsFiles" -}}
{{- $nats := .root.Values.nats -}}
{{- if and (has "renewal" .workload.runs) $nats.url (or $nats.credentialsSecret.name $nats.caSecret.name) -}}
true
{{- end -}}
{{- end -}}

{{/* Of (dict "root" $ "component" NAME "workload" SETTINGS). */}}
{{- define "perennial.mounts" -}}
{{- $values := .root.Values -}}
{{- if $values.tls.enabled }}
{{ include "perennial.tlsMount" . }}
{{- end }}
{{- if and $values.identity.issuer $values.identity.keysConfigMap.name }}
- name: issuer
  mountPath: /etc/perennial/issuer
  readOnly: true
{{- end }}
{{- if not .workload.roles }}
- name: data
  mountPath: /var/lib/perennial
- name: tmp
  mountPath: /tmp
{{- else if $values.postgresql.caSecret.name }}
{{ include "perennial.caMount" .root }}
{{- end }}
{{- if and (has "renewal" .workload.runs) $values.services.renewal.webhooks.caSecret.name }}
- name: webhook-ca
  mountPath: /etc/perennial/webhooks
  readOnly: true
{{- end }}
{{- if eq (include "perennial.natsFiles" .) "true" }}
- name: nats
  mountPath: /etc/perennial/nats
  readOnly: true
{{- end }}
{{- if and (has "wallet" .workload.runs) $values.services.wallet.channels }}
- name: channels
  mountPath: /etc/perennial/channels
  readOnly: true
{{- end }}
{{- end -}}

{{- define "perennial.volumes" -}}
{{- $values := .root.Values -}}
{{- if $values.tls.enabled }}
{{ include "perennial.tlsVolume" (dict "root" .root "component" .component "tlsSecret" .workload.tlsSecret) }}
{{- end }}
{{- with $values.identity }}
{{- if and .issuer .keysConfigMap.name }}
- name: issuer
  configMap:
    name: {{ .keysConfigMap.name }}
    items:
      - key: {{ .keysConfigMap.key }}
        path: keys.json
{{- end }}
{{- end }}
{{- if not .workload.roles }}
{{- with .workload.storage.existingClaim }}
- name: data
  persistentVolumeClaim:
    claimName: {{ . }}
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 1Gi
{{- else if $values.postgresql.caSecret.name }}
{{ include "perennial.caVolume" .root }}
{{- end }}
{{- with $values.services.renewal.webhooks.caSecret }}
{{- if and (has "renewal" $.workload.runs) .name }}
- name: webhook-ca
  secret:
    secretName: {{ .name }}
    defaultMode: 0440
    items:
      - key: {{ .key }}
        path: ca.crt
{{- end }}
{{- end }}
{{- if eq (include "perennial.natsFiles" .) "true" }}
- name: nats
  projected:
    defaultMode: 0440
    sources:
      {{- range $path, $secret := dict "nats.creds" $values.nats.credentialsSecret "ca.crt" $values.nats.caSecret }}
      {{- if $secret.name }}
      - secret:
          name: {{ $secret.name }}
          items:
            - key: {{ $secret.key }}
              path: {{ $path }}
      {{- end }}
      {{- end }}
{{- end }}
{{- if and (has "wallet" .workload.runs) $values.services.wallet.channels }}
- name: channels
  projected:
    defaultMode: 0440
    sources:
      - configMap:
          name: {{ include "perennial.name" (dict "root" .root "component" "channels") }}
      {{- range $channel := $values.services.wallet.channels }}
      {{- range $index, $secret := $channel.secrets }}
      - secret:
          name: {{ $secret.secretName }}
          items:
            - key: {{ $secret.secretKey }}
              path: {{ printf "%s-%d.secret" $channel.name $index }}
      {{- end }}
      {{- end }}
{{- end }}
{{- end -}}
