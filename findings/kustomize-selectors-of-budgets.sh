#!/usr/bin/env bash
# kustomize's includeSelectors gives no selector to a PodDisruptionBudget that has none, and a strict validator lets it pass.
#
# Guess:    `labels: [{pairs: ..., includeSelectors: true}]` fills in every selector, as it does for a Service and a
#           Deployment that have none. A manifest without a selector that were useless would not validate.
# Happens:  Service.spec.selector and Deployment.spec.selector.matchLabels are made where they are missing.
#           PodDisruptionBudget.spec.selector stays absent, and so does what a NetworkPolicy's `podSelector: {}` and a
#           topologySpreadConstraint lack. kubernetes-validate --strict says that all of it has passed.
# Matters:  A budget without a selector protects no pod (policy/v1), and a policy with an empty one is of every pod in the
#           namespace. Nothing says so until a node is drained. Write these selectors out, and test that each is among the
#           labels of the pods.
# Versions: pykustomize 0.1.4 (kustomize's api 0.21.3), kubernetes-validate 1.37.0; Python 3.11
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
# The wheel of pykustomize says that it needs Python 3.14; the library in it does not.
{
    "$tmp/venv/bin/pip" install -q kubernetes-validate==1.37.0 PyYAML==6.0.4 cffi==2.1.1 &&
        "$tmp/venv/bin/pip" install -q --no-deps --ignore-requires-python pykustomize==0.1.4
} >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

cat >"$tmp/kustomization.yaml" <<'END'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
labels:
  - pairs: {app: shop}
    includeSelectors: true
resources: [all.yaml]
END
cat >"$tmp/all.yaml" <<'END'
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  ports: [{port: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      containers: [{name: shop, image: shop}]
      topologySpreadConstraints:
        - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop}
spec: {minAvailable: 1}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
END

"$tmp/venv/bin/python" - "$tmp" <<'END'
import asyncio
import subprocess
import sys
from importlib.metadata import version

import yaml
from pykustomize import build

for name in ("pykustomize", "kubernetes-validate"):
    print(name, version(name))
built = asyncio.run(build(sys.argv[1])).yaml
of = {each["kind"]: each["spec"] for each in yaml.safe_load_all(built)}
(spread,) = of["Deployment"]["template"]["spec"]["topologySpreadConstraints"]
seen = {
    "Service": of["Service"].get("selector"),
    "Deployment": of["Deployment"].get("selector"),
    "topologySpreadConstraint": spread.get("labelSelector"),
    "PodDisruptionBudget": of["PodDisruptionBudget"].get("selector"),
    "NetworkPolicy": of["NetworkPolicy"]["podSelector"],
}
for kind, selector in seen.items():
    print(f"{kind}: expected a selector with app: shop, seen {selector}")
with open(f"{sys.argv[1]}/built.yaml", "w") as file:
    file.write(built)
checked = subprocess.run(
    [f"{sys.argv[1]}/venv/bin/kubernetes-validate", "--strict", f"{sys.argv[1]}/built.yaml"], capture_output=True, text=True
)
complaints = [line for line in checked.stdout.splitlines() if "INFO" not in line]
print(f"kubernetes-validate: exit code {checked.returncode}, complaints: {complaints}")
as_described = (
    seen["Service"] == {"app": "shop"}
    and seen["Deployment"] == {"matchLabels": {"app": "shop"}}
    and not seen["PodDisruptionBudget"]
    and not seen["NetworkPolicy"]
    and not seen["topologySpreadConstraint"]
    and checked.returncode == 0
)
print("as described" if as_described else "this has changed")
sys.exit(0 if as_described else 1)
END
