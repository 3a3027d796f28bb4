{{/* Text of the pipeline file: canonical JSON, which is YAML. */}}
{{- define "clinray.pipeline" -}}
{{- .Values.pipeline | toJson -}}
{{- end -}}

{{- define "clinray.digest" -}}
{{- include "clinray.pipeline" . | sha256sum | trunc 8 -}}
{{- end -}}

{{- define "clinray.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "clinray.rayServiceAccount" -}}
{{- with .Values.serviceAccounts.ray -}}
{{- if .create -}}{{ .name | default (printf "%s-ray" $.Release.Name) }}{{- else -}}{{ .name | default "default" }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "clinray.runnerServiceAccount" -}}
{{- with .Values.serviceAccounts.runner -}}
{{- if .create -}}{{ .name | default (printf "%s-runner" $.Release.Name) }}{{- else -}}{{ .name | default "default" }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* <release>-<stage>-<revision>-<digest>, within the 47 characters that KubeRay allows; the end is never cut. */}}
{{- define "clinray.jobName" -}}
{{- $end := printf "-%d-%s" (int .root.Release.Revision) (include "clinray.digest" .root) -}}
{{- printf "%s-%s" .root.Release.Name .stage | trunc (int (sub 47 (len $end))) | trimSuffix "-" -}}{{ $end }}
{{- end -}}

{{/* Names of the stages of a mode in their order, as a JSON list. */}}
{{- define "clinray.stageNames" -}}
{{- $keys := list -}}
{{- range $name, $stage := .root.Values.stages -}}
{{- if and $stage (eq $stage.mode $.mode) -}}{{- $keys = append $keys (printf "%08d/%s" (int $stage.order) $name) -}}{{- end -}}
{{- end -}}
{{- $names := list -}}
{{- range sortAlpha $keys -}}{{- $names = append $names (splitList "/" . | last) -}}{{- end -}}
{{- $names | toJson -}}
{{- end -}}

{{/* What the shared templates are expanded against, for one stage, as JSON. Arguments: root, stage, suspend. */}}
{{- define "clinray.context" -}}
{{- $root := .root -}}
{{- $own := get $root.Values.stages .stage -}}
{{- $stage := include "clinray.merge" (dict "under" $root.Values.defaults "over" $own) | fromJson -}}
{{- $_ := set $stage "name" .stage -}}
{{- $context := dict
  "release" (dict "name" $root.Release.Name "namespace" $root.Release.Namespace "revision" $root.Release.Revision "service" $root.Release.Service)
  "chart" (dict "name" $root.Chart.Name "version" $root.Chart.Version "appVersion" $root.Chart.AppVersion)
  "values" (omit $root.Values "global")
  "stage" $stage
  "pipeline" (include "clinray.pipeline" $root)
  "image" (include "clinray.image" $root) -}}
{{- $entrypoint := include "clinray.text" (dict "text" $stage.entrypoint "context" $context) -}}
{{- $_ := set $context "job" (dict
  "name" (include "clinray.jobName" (dict "root" $root "stage" .stage))
  "digest" (include "clinray.digest" $root)
  "entrypoint" $entrypoint
  "suspend" .suspend
  "serviceAccount" (include "clinray.rayServiceAccount" $root)
  "headToken" (or $stage.autoscaling.enabled $root.Values.serviceAccounts.ray.cloudIdentity)
  "workerToken" $root.Values.serviceAccounts.ray.cloudIdentity) -}}
{{- $context | toJson -}}
{{- end -}}

{{/* The RayJob of a stage as JSON. Arguments: root, stage, suspend. */}}
{{- define "clinray.rayJob" -}}
{{- $node := .root.Files.Get "files/rayjob.yaml" | fromYaml -}}
{{- $context := include "clinray.context" . | fromJson -}}
{{- $found := include "clinray.expand" (dict "node" $node "context" $context) | fromJson -}}
{{- $found.v | toJson -}}
{{- end -}}
