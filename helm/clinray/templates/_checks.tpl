{{/* What a release cannot do without, each with a sentence. */}}
{{- define "clinray.checks" -}}
{{- $pipeline := .Values.pipeline -}}
{{- if not $pipeline.source -}}{{- fail "pipeline.source is empty: name the folder or s3:// prefix that is read" -}}{{- end -}}
{{- if not $pipeline.lake -}}{{- fail "pipeline.lake is empty: name the s3:// prefix of the lake" -}}{{- end -}}
{{- if not $pipeline.policy -}}{{- fail "pipeline.policy is empty: name a privacy policy, for example pseudonymised" -}}{{- end -}}
{{- range $key := list "lake" "policy" -}}
{{- if contains "'" (get $pipeline $key) -}}{{- fail (printf "pipeline.%s holds a quote, which ends it in a stage's command line" $key) -}}{{- end -}}
{{- end -}}
{{- if and (eq $pipeline.policy "identified") (not $pipeline.allow_identified) -}}
{{- fail "the policy identified writes identified tables: say so with pipeline.allow_identified=true" -}}
{{- end -}}
{{- $staged := or (eq .Values.mode "staged") (and (eq .Values.mode "schedule") (eq .Values.schedule.stages "staged")) -}}
{{- if and $staged (not $pipeline.allow_identified) -}}
{{- fail "staged runs rest identified data between the stages: say so with pipeline.allow_identified=true" -}}
{{- end -}}
{{- $run := or (eq .Values.mode "staged") (and (eq .Values.mode "standalone") .Values.runner.enabled) -}}
{{- if and .Values.kueue.queueName $run -}}
{{- fail "a queue and a runner would both start the RayJobs: leave out kueue.queueName, or staged mode and runner.enabled" -}}
{{- end -}}
{{- end -}}
