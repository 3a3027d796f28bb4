{{- define "clinray.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" "clinray"
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "clinray.io/release" .Release.Name
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version) -}}
{{- merge $own .Values.commonLabels | toYaml -}}
{{- end -}}
