{{/* Labels of the runner's Job and pod. */}}
{{- define "clinray.runnerLabels" -}}
{{ include "clinray.labels" . }}
app.kubernetes.io/component: runner
{{- end -}}

{{/* The RayJobs of a mode as a JSON list. They travel in an annotation of the pod that reads them. */}}
{{- define "clinray.rayJobs" -}}
{{- $jobs := list -}}
{{- range include "clinray.stageNames" (dict "root" .root "mode" .mode) | fromJsonArray -}}
{{- $jobs = append $jobs (include "clinray.rayJob" (dict "root" $.root "stage" . "suspend" true) | fromJson) -}}
{{- end -}}
{{- $jobs | toJson -}}
{{- end -}}

{{/* The Job that runs stages one after the other. Arguments: root, mode, fresh. */}}
{{- define "clinray.runnerJobSpec" -}}
{{- $root := .root -}}
{{- with .root.Values.runner -}}
backoffLimit: 3
ttlSecondsAfterFinished: {{ .ttlSecondsAfterFinished }}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions:
        - {type: DisruptionTarget, status: "True"}
    - action: FailJob
      onExitCodes:
        containerName: runner
        operator: In
        values: [2, 3, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
template:
  metadata:
    labels: {{- include "clinray.runnerLabels" $root | nindent 6 }}
    annotations:
      clinray.io/rayjobs: {{ include "clinray.rayJobs" (dict "root" $root "mode" $.mode) | quote }}
  spec:
    restartPolicy: Never
    serviceAccountName: {{ include "clinray.runnerServiceAccount" $root }}
    automountServiceAccountToken: true
    {{- with $root.Values.imagePullSecrets }}
    imagePullSecrets: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .nodeSelector }}
    nodeSelector: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .tolerations }}
    tolerations: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .affinity }}
    affinity: {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext: {{- toYaml $root.Values.podSecurityContext | nindent 6 }}
    containers:
      - name: runner
        image: {{ include "clinray.image" $root }}
        imagePullPolicy: {{ $root.Values.image.pullPolicy }}
        command:
          - python
          - -m
          - k8s
          - runner
          - --templates=/etc/clinray/rayjobs/rayjobs.json
          - --namespace={{ $root.Release.Namespace }}
          - --retries={{ int .retries }}
          - --timeout={{ int .timeoutSeconds }}
          {{- if $.fresh }}
          - --fresh
          {{- end }}
          - --json
        env:
          - {name: HOME, value: /tmp}
          - name: JOB_NAME
            valueFrom: {fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/job-name']"}}
          - name: JOB_UID
            valueFrom: {fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/controller-uid']"}}
        resources: {{- toYaml .resources | nindent 10 }}
        securityContext: {{- toYaml $root.Values.containerSecurityContext | nindent 10 }}
        volumeMounts:
          - {name: tmp, mountPath: /tmp}
          - {name: rayjobs, mountPath: /etc/clinray/rayjobs, readOnly: true}
    volumes:
      - name: tmp
        emptyDir: {{- toYaml $root.Values.tmp | nindent 10 }}
      - name: rayjobs
        downwardAPI:
          items:
            - path: rayjobs.json
              fieldRef: {fieldPath: "metadata.annotations['clinray.io/rayjobs']"}
{{- end -}}
{{- end -}}
