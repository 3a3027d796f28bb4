{{/*
Expands a node of the shared templates (files/*.yaml) against a context. k8s/expand.py reads the same files by the same
rules; docs/kubernetes-templates.md describes them. Arguments: node, context. Gives JSON {"v": …}, or {} for null.
*/}}
{{- define "clinray.expand" -}}
{{- $node := .node -}}
{{- $context := .context -}}
{{- if kindIs "map" $node -}}
{{- if hasKey $node "$value" -}}
{{- $found := include "clinray.lookup" (dict "path" (index $node "$value") "context" $context) | fromJson -}}
{{- if and (empty $found.v) (or (kindIs "map" $found.v) (kindIs "slice" $found.v)) -}}{}{{- else -}}{{- $found | toJson -}}{{- end -}}
{{- else if hasKey $node "$text" -}}
{{- dict "v" (include "clinray.text" (dict "text" (index $node "$text") "context" $context)) | toJson -}}
{{- else if hasKey $node "$if" -}}
{{- $found := include "clinray.lookup" (dict "path" (index $node "$if") "context" $context) | fromJson -}}
{{- include "clinray.expand" (dict "node" (index $node (ternary "$then" "$else" (not (empty $found.v)))) "context" $context) -}}
{{- else if hasKey $node "$merge" -}}
{{- $merged := dict -}}
{{- range index $node "$merge" -}}
{{- $part := include "clinray.expand" (dict "node" . "context" $context) | fromJson -}}
{{- if $part.v -}}{{- $merged = include "clinray.merge" (dict "under" $merged "over" $part.v) | fromJson -}}{{- end -}}
{{- end -}}
{{- if $merged -}}{{- dict "v" $merged | toJson -}}{{- else -}}{}{{- end -}}
{{- else if hasKey $node "$concat" -}}
{{- $joined := list -}}
{{- range index $node "$concat" -}}
{{- $part := include "clinray.expand" (dict "node" . "context" $context) | fromJson -}}
{{- range $part.v -}}{{- $joined = append $joined . -}}{{- end -}}
{{- end -}}
{{- if $joined -}}{{- dict "v" $joined | toJson -}}{{- else -}}{}{{- end -}}
{{- else if hasKey $node "$each" -}}
{{- include "clinray.each" . -}}
{{- else -}}
{{- $made := dict -}}
{{- range $key, $child := $node -}}
{{- $part := include "clinray.expand" (dict "node" $child "context" $context) | fromJson -}}
{{- if hasKey $part "v" -}}{{- $_ := set $made $key $part.v -}}{{- end -}}
{{- end -}}
{{- dict "v" $made | toJson -}}
{{- end -}}
{{- else if kindIs "slice" $node -}}
{{- $made := list -}}
{{- range $node -}}
{{- $part := include "clinray.expand" (dict "node" . "context" $context) | fromJson -}}
{{- if hasKey $part "v" -}}{{- $made = append $made $part.v -}}{{- end -}}
{{- end -}}
{{- dict "v" $made | toJson -}}
{{- else if kindIs "invalid" $node -}}
{}
{{- else -}}
{{- dict "v" $node | toJson -}}
{{- end -}}
{{- end -}}

{{/* The elements of a list, or {key, value} of a mapping in the order of its keys, each bound to a name. */}}
{{- define "clinray.each" -}}
{{- $node := .node -}}
{{- $context := .context -}}
{{- $found := include "clinray.lookup" (dict "path" (index $node "$each") "context" $context) | fromJson -}}
{{- $elements := list -}}
{{- if kindIs "map" $found.v -}}
{{- range $key, $value := $found.v -}}{{- $elements = append $elements (dict "key" $key "value" $value) -}}{{- end -}}
{{- else -}}
{{- range $found.v -}}{{- $elements = append $elements . -}}{{- end -}}
{{- end -}}
{{- $made := list -}}
{{- range $elements -}}
{{- $bound := set (omit $context (index $node "$as")) (index $node "$as") . -}}
{{- $part := include "clinray.expand" (dict "node" (index $node "$do") "context" $bound) | fromJson -}}
{{- if hasKey $part "v" -}}{{- $made = append $made $part.v -}}{{- end -}}
{{- end -}}
{{- if $made -}}{{- dict "v" $made | toJson -}}{{- else -}}{}{{- end -}}
{{- end -}}

{{/* The value at a path of the context as {"v": …}; {} where a part is missing or the value is null. */}}
{{- define "clinray.lookup" -}}
{{- $at := .context -}}
{{- $there := true -}}
{{- range splitList "." .path -}}
{{- if and $there (kindIs "map" $at) (hasKey $at .) -}}{{- $at = index $at . -}}{{- else -}}{{- $there = false -}}{{- end -}}
{{- end -}}
{{- if and $there (not (kindIs "invalid" $at)) -}}{{- dict "v" $at | toJson -}}{{- else -}}{}{{- end -}}
{{- end -}}

{{/* Text with {paths} replaced by the values there; a missing one by nothing. */}}
{{- define "clinray.text" -}}
{{- $text := .text -}}
{{- $context := .context -}}
{{- range regexFindAll "\\{[A-Za-z0-9_.]+\\}" $text -1 | uniq -}}
{{- $found := include "clinray.lookup" (dict "path" (trimAll "{}" .) "context" $context) | fromJson -}}
{{- $text = replace . (hasKey $found "v" | ternary (toString $found.v) "") $text -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/* Mappings merged deeply as JSON: what stands over wins, false, zero and lists too. Arguments: under, over. */}}
{{- define "clinray.merge" -}}
{{- $merged := omit .under "" -}}
{{- range $key, $value := .over -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $merged $key)) -}}
{{- $_ := set $merged $key (include "clinray.merge" (dict "under" (get $merged $key) "over" $value) | fromJson) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $merged $key $value -}}
{{- end -}}
{{- end -}}
{{- $merged | toJson -}}
{{- end -}}
