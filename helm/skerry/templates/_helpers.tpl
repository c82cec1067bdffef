{{/* The chart's name, and what releases call their objects: at most 63 characters with the longest suffix. */}}
{{- define "skerry.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" }}
{{- end }}

{{- define "skerry.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" }}
{{- else if contains (include "skerry.name" .) .Release.Name }}
{{- .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "skerry.name" .) | trunc 53 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "skerry.operator.name" -}}
{{ include "skerry.fullname" . }}-operator
{{- end }}

{{- define "skerry.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "skerry.operator.name" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.create is false: say in serviceAccount.name which account the operator uses" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Labels. Arguments: (list $ "operator"). What selects pods never changes, so the version is not part of it. */}}
{{- define "skerry.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "skerry.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "skerry.labels" -}}
{{- $root := index . 0 -}}
{{ include "skerry.selectorLabels" . }}
app.kubernetes.io/part-of: skerry
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The labels of pods: no version of the chart among them, so that an upgrade restarts only what it changes. */}}
{{- define "skerry.podLabels" -}}
{{ include "skerry.selectorLabels" . }}
app.kubernetes.io/part-of: skerry
{{- end }}

{{/* An image. Arguments: (list $ .Values.operator.image). */}}
{{- define "skerry.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}
{{- else }}:{{ $image.tag | default $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* What the Pod Security Standard "restricted" asks of a pod and of each container. */}}
{{- define "skerry.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "skerry.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where pods may run. Argument: .Values.operator or .Values.brokers. */}}
{{- define "skerry.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Of what exists only while `helm uninstall` removes what runs left behind. Argument: its place in the order. */}}
{{- define "skerry.cleanup.hook" -}}
helm.sh/hook: post-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
helm.sh/hook-output-log-policy: hook-failed
{{- end }}
