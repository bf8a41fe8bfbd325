{{- define "nightshift.name" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "nightshift.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "nightshift.labels" -}}
{{ include "nightshift.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- /* A pod that runs `args`: nothing of it is written but /data, which only holds what may be lost. */ -}}
{{- define "nightshift.pod" -}}
metadata:
  labels: {{- include "nightshift.labels" . | nindent 4 }}
  annotations:
    checksum/settings: {{ toYaml .root.Values.settings | sha256sum }}
    {{- with .root.Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  terminationGracePeriodSeconds: {{ add .root.Values.graceSeconds 10 }}
  automountServiceAccountToken: false
  securityContext: { runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: { type: RuntimeDefault } }
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}"
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: {{ toJson .args }}
      env:
        - { name: NIGHTSHIFT_DATA, value: /data }
        - { name: NIGHTSHIFT_GRACE, value: {{ printf "%ds" (int .root.Values.graceSeconds) }} }
        {{- range $name, $of := .root.Values.secrets }}
        - name: {{ $name }}
          valueFrom: { secretKeyRef: { name: {{ $of.secret }}, key: {{ $of.key }} } }
        {{- end }}
      securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: [ALL] } }
      ports: [{ name: http, containerPort: {{ eq .component "api" | ternary 8090 8091 }} }]
      {{- if eq .component "api" }}
      readinessProbe: { httpGet: { path: /readyz, port: http }, periodSeconds: 5, timeoutSeconds: 3 }
      {{- end }}
      startupProbe: { httpGet: { path: /healthz, port: http }, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 240 } # a migration takes its time
      livenessProbe: { httpGet: { path: /healthz, port: http }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }
      resources: {{- toYaml .resources | nindent 8 }}
      volumeMounts:
        - { name: settings, mountPath: /etc/nightshift, readOnly: true }
        - { name: data, mountPath: /data }
        - { name: tmp, mountPath: /tmp }
  volumes:
    - { name: settings, configMap: { name: {{ include "nightshift.name" .root }} } }
    - { name: data, emptyDir: {} }
    - { name: tmp, emptyDir: {} }
  {{- with .root.Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
