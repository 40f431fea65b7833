{{/* The name of what the release makes: "admittance" where the release is called so. */}}
{{- define "admittance.name" -}}
{{- if contains "admittance" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-admittance" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels that select Pods; takes (dict "root" $ "component" "webhook"). */}}
{{- define "admittance.selector" -}}
app.kubernetes.io/name: admittance
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of everything; takes (dict "root" $ "component" "webhook"). */}}
{{- define "admittance.labels" -}}
{{ include "admittance.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "admittance.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What becomes of a Pod that asked and was not injected. It may pass where the values say that it may. */}}
{{- define "admittance.uninjected" -}}
{{- if and (eq .Values.webhook.failurePolicy "Fail") (eq .Values.webhook.onInvalid "Deny") }}Deny{{ else }}Warn{{ end }}
{{- end }}

{{/* What both Deployments' Pods have in common; takes (dict "root" $ "component" "webhook"). */}}
{{- define "admittance.placement" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "admittance.selector" . | nindent 8 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* The metadata of both Deployments' Pods; takes (dict "root" $ "component" "webhook"). */}}
{{- define "admittance.podMetadata" -}}
labels:
  {{- include "admittance.labels" . | nindent 2 }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .root.Values.podAnnotations }}
annotations: {{ toJson . }}
{{- end }}
{{- end }}

{{- define "admittance.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
{{- end }}

{{/* Probes on the health port. A replica that waits for a certificate or a Lease is alive. */}}
{{- define "admittance.probes" -}}
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 5
livenessProbe:
  httpGet: {path: /livez, port: health}
  periodSeconds: 10
  failureThreshold: 6
{{- end }}

{{/* What the operator may in the namespaces that it looks after. */}}
{{- define "admittance.operatorRules" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
{{- if .Values.gates.enabled }}
# Takes the scheduling gate from Pods with wait: gate.
- apiGroups: [""]
  resources: [pods]
  verbs: [patch]
{{- end }}
# By name only: without list and watch, nobody's Secrets can be looked through.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch, delete]
- apiGroups: [kafka.admittance.dev]
  resources: [brokerclusters]
  verbs: [get, list, watch]
- apiGroups: [kafka.admittance.dev]
  resources: [topicclaims]
  verbs: [get, list, watch, create, patch]
- apiGroups: [kafka.admittance.dev]
  resources: [accessclaims]
  verbs: [get, list, watch, create, patch, delete]
# An access lives as long as the workload that it is for.
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets, replicasets]
  verbs: [get]
{{- if .Values.operator.restartsWorkloads }}
# Rolls out anew what still has an old password.
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [patch]
{{- end }}
{{- /* Values of an earlier chart, which --reuse-values keeps, know nothing of contract2017. */}}
{{- if (.Values.contract2017).deployments }}
# Finds Deployments that ask by their own annotations; their metadata alone is kept.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [list, watch]
{{- end }}
{{- if (.Values.contract2017).configMaps }}
# Finds ConfigMaps that describe topics. RBAC cannot limit this to a label: it is a right on all of them.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
{{- end }}
- apiGroups: [batch]
  resources: [cronjobs, jobs]
  verbs: [get]
- apiGroups: [""]
  resources: [replicationcontrollers]
  verbs: [get]
- apiGroups: [kafka.admittance.dev]
  resources: [brokerclusters/status, topicclaims/status, accessclaims/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{/* Where the operator may look after some namespaces alone, all that it looks after: its own is one of them. */}}
{{- define "admittance.served" -}}
{{- with .Values.operator.namespaces }}
        - {key: kubernetes.io/metadata.name, operator: In, values: {{ append . $.Release.Namespace | uniq | toJson }}}
{{- end }}
{{- end }}

{{/* A selector of them: elsewhere another release may have an operator of its own. */}}
{{- define "admittance.servedAlone" -}}
{{- if .Values.operator.namespaces }}
    namespaceSelector:
      matchExpressions:{{ include "admittance.served" . }}
{{- end }}
{{- end }}

{{/* Narrows a selector of namespaces to those that the operator looks after: nobody would give a Pod elsewhere its Secret. */}}
{{- define "admittance.reach" -}}
{{- with .Values.operator.namespaces }}
        - {key: kubernetes.io/metadata.name, operator: In, values: {{ toJson . }}}
{{- end }}
{{- end }}
